"""Checks that find errors before any training time is spent."""
