"""Ultralytics without the user's settings: devices, arguments, checkpoints and validation."""

from kdpipe.yolo.hermetic import isolate

# Ultralytics reads its environment variables at import, so they are set before a module of this package can
# import it.
isolate()
