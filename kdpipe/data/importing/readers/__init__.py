"""Readers of annotations, one module per format."""
