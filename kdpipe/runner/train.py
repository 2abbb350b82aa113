"""Train one model with Ultralytics' trainer, with or without a teacher, and resume interrupted trainings."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from ultralytics.utils.torch_utils import strip_optimizer

from kdpipe.cells.history import HISTORY_FILE, read_history
from kdpipe.errors import KdpipeError
from kdpipe.runner import state
from kdpipe.runner.ddp import train_on_several
from kdpipe.runner.job import Job, Listener
from kdpipe.runner.loop import train_here
from kdpipe.runner.progress import TrainingProgress
from kdpipe.yolo.device import device_name, devices
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.log import LOG_FILE, log_to

# Arguments that are paths and folders, not settings of the training.
PLACES = ("data", "distill_model", "exist_ok", "model", "name", "project", "resume", "save_dir")


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training.

    Attributes:
        best: Checkpoint of the student, or of the teacher that was trained.
        files: History and log.
        arguments: Final arguments of Ultralytics' trainer, without paths.
        epochs: Number of epochs.
        seconds: Training time.
        peak_memory_mib: Peak memory in MiB.
        device: Name of the GPU, or `CPU`; `none` if nothing was trained.
    """

    best: Path
    files: tuple[Path, ...]
    arguments: dict[str, Any]
    epochs: int = 0
    seconds: float = 0.0
    peak_memory_mib: int = 0
    device: str = "none"


def train(job: Job, work: Path, listener: Listener, console: Console) -> TrainingResult:
    """Train, or resume an interrupted training from its `work` folder.

    All files are written to `work`. The resulting checkpoint is the student alone, without teacher and
    projector.

    Args:
        job: The training.
        work: Folder of its unfinished state.
        listener: Gets the metrics of every epoch.
        console: Console for the progress display.

    Raises:
        KdpipeError: if the training diverged, ran out of memory, lost its data, or ended without a
            checkpoint.
    """
    configure()
    work.mkdir(parents=True, exist_ok=True)
    with log_to(work / LOG_FILE):
        if not state.is_best_whole(work):
            console.print(
                f"[yellow]warning:[/] {work / state.BEST_FILE} is broken: this training begins again"
            )
            state.discard(work)
        saved = state.load(work)
        if saved is None or not saved.ended:
            with TrainingProgress(job.identity.cell, console) as progress:
                several = len(devices(job.identity.arguments)) > 1
                run = train_on_several if several else train_here
                run(job, work, progress, listener)
    return _collect(work)


def _collect(work: Path) -> TrainingResult:
    history, saved = read_history(work / HISTORY_FILE), state.load(work)
    kept, best = work / state.BEST_FILE, work / "best.pt"
    if not history or saved is None or not kept.exists():
        raise KdpipeError(f"the training ended without a checkpoint; see {work / LOG_FILE}")
    shutil.copyfile(kept, best)
    strip_optimizer(best)
    used = saved.arguments
    return TrainingResult(
        best=best,
        files=(work / HISTORY_FILE, work / LOG_FILE),
        arguments={name: value for name, value in used.items() if name not in PLACES},
        epochs=int(history[-1]["epoch"]),
        seconds=history[-1]["seconds"],
        peak_memory_mib=int(max(row["peak_memory_mib"] for row in history)),
        device=device_name(str(used["device"])),
    )
