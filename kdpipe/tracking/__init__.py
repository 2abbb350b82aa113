"""Runs in MLflow: live while a cell trains, and made equal to its record afterwards."""

from kdpipe.tracking.finished import Finished, finished_cells
from kdpipe.tracking.live import LiveRun
from kdpipe.tracking.revisions import experiments, finished_at
from kdpipe.tracking.store import Store
from kdpipe.tracking.view import Synced, publish, publish_quietly, runs_table, sync

__all__ = [
    "Finished",
    "LiveRun",
    "Store",
    "Synced",
    "experiments",
    "finished_at",
    "finished_cells",
    "publish",
    "publish_quietly",
    "runs_table",
    "sync",
]
