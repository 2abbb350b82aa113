"""Runs in MLflow: live while a cell trains, and made equal to its record afterwards."""

from kdpipe.tracking.live import LiveRun
from kdpipe.tracking.store import Store
from kdpipe.tracking.view import Finished, finished_cells, publish, publish_quietly, runs_table, sync

__all__ = [
    "Finished",
    "LiveRun",
    "Store",
    "finished_cells",
    "publish",
    "publish_quietly",
    "runs_table",
    "sync",
]
