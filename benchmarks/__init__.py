"""Measurements behind claims of the README."""
