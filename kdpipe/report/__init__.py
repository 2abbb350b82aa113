"""The benchmark from the tracked runs: tables, plots, files."""
