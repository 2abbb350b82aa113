"""Log trainings to MLflow: live while they run, and again from their records afterwards."""

from kdpipe.tracking.deadline import Deadline
from kdpipe.tracking.errors import reachable, reason
from kdpipe.tracking.finished import FinishedCell, finished_cells
from kdpipe.tracking.live import LiveRun, RunStart
from kdpipe.tracking.registry import attach_export, register
from kdpipe.tracking.revisions import experiments, finished_at
from kdpipe.tracking.store import Store
from kdpipe.tracking.summary import publish_report
from kdpipe.tracking.sync import SyncResult, publish_quietly, sync
from kdpipe.tracking.system_metrics import SYSTEM_FILE
from kdpipe.tracking.trials import log_trials
from kdpipe.tracking.view import view_page

__all__ = [
    "SYSTEM_FILE",
    "Deadline",
    "FinishedCell",
    "LiveRun",
    "RunStart",
    "Store",
    "SyncResult",
    "attach_export",
    "experiments",
    "finished_at",
    "finished_cells",
    "log_trials",
    "publish_quietly",
    "publish_report",
    "reachable",
    "reason",
    "register",
    "sync",
    "view_page",
]
