"""Data sets: sources, label checks, and the prepared copy for the pipeline."""
