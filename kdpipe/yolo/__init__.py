"""Ultralytics without the user's settings: devices, arguments, checkpoints, validation."""

from kdpipe.yolo.hermetic import isolate

# Ultralytics reads its environment once, while it is imported, so this comes before any module of
# this package can import it.
isolate()
