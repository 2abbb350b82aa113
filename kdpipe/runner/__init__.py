"""The distillation runner: trains one student or teacher, and continues what was interrupted."""

import kdpipe.yolo  # noqa: F401 - isolates Ultralytics before a module of this package imports it
