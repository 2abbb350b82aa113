"""Distillation runner: trains one student or teacher, and resumes interrupted trainings."""

import kdpipe.yolo  # noqa: F401 - isolates Ultralytics before a module of this package imports it
