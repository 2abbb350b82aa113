"""Data sets: sources, checks, and the prepared copy that the pipeline trains on."""
