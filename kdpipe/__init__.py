"""Distil Ultralytics YOLO models, and prove whether it paid."""

__version__ = "0.1.0"
