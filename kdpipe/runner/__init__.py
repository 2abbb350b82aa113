"""Ultralytics, run hermetically. Together with kdpipe.validation, the only place that loads torch."""

from kdpipe.runner.hermetic import isolate

# Ultralytics reads its environment once, while it is imported, so this comes before any module of
# this package can import it.
isolate()
