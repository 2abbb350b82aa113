"""Train one model with Ultralytics' own trainer, alone or with a teacher, resuming what was begun."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from ultralytics.utils.torch_utils import init_seeds, strip_optimizer

from kdpipe.errors import KdpipeError
from kdpipe.history import HISTORY_FILE, History, read_history
from kdpipe.runner import arguments, checkpoints
from kdpipe.runner.checkpoints import Saved
from kdpipe.runner.hermetic import configure
from kdpipe.runner.log import log_to
from kdpipe.runner.progress import TrainingProgress
from kdpipe.runner.trainers import TRAINERS
from kdpipe.tasks import metric_name

LOG_FILE = "train.log"
# Arguments that say where a training ran and from which files, not how.
PLACES = ("data", "distill_model", "exist_ok", "model", "name", "project", "resume", "save_dir")


@dataclass(frozen=True)
class Job:
    """One training: what to train, on what, and with which teacher."""

    title: str
    task: str
    start: str
    data: Path
    seed: int
    arguments: Mapping[str, Any]
    teacher: Path | None = None
    dis: float | None = None


@dataclass(frozen=True)
class Trained:
    """What came out of a training: the student's checkpoint, history and log, and the arguments
    that Ultralytics used in the end; `device` names the processor that trained.
    """

    best: Path
    files: tuple[Path, ...]
    arguments: dict[str, Any]
    epochs: int = 0
    seconds: float = 0.0
    peak_memory_mib: int = 0
    device: str = "none"


class Listener(Protocol):
    """Hears of a training while it runs."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """An epoch (counted from 1) has ended with these losses and metrics; in seconds since 1970."""


def train(job: Job, work: Path, listener: Listener, console: Console) -> Trained:
    """Train, or continue what an interrupted call with the same `work` folder began.

    Everything is written to `work`; `best` is the student alone, without teacher and projector.

    Raises:
        KdpipeError: if the training diverged, ran out of memory, lost its data, or ended without a
            checkpoint.
    """
    configure()
    work.mkdir(parents=True, exist_ok=True)
    with log_to(work / LOG_FILE):
        saved = checkpoints.load(work)
        if saved is None or not saved.ended:
            with TrainingProgress(job.title, console) as progress:
                trainer = TRAINERS[job.task](overrides=_overrides(job, work))
                _Watch(work, saved, progress, listener).attach(trainer)
                _run(trainer)
    return _collect(work)


def _run(trainer: Any) -> None:
    """Train, and say what a user can do about what goes wrong."""
    try:
        trainer.train()
    except FileNotFoundError as error:
        kept = "the epochs before are kept: put it back, and run again"
        raise KdpipeError(f"the data set changed during the training ({error}); {kept}") from error
    except RuntimeError as error:
        if "NaN" in str(error):
            raise KdpipeError(f"the training diverged ({error}); a lower train.lr0 may help") from error
        if "out of memory" in str(error).lower():
            raise KdpipeError(
                f"out of memory even with batch {trainer.batch_size} ({error}); "
                "write a smaller train.imgsz or take a smaller model"
            ) from error
        raise


class _Watch:
    """The callbacks by which a training is shown, recorded and made resumable."""

    def __init__(
        self, work: Path, saved: Saved | None, progress: TrainingProgress, listener: Listener
    ) -> None:
        self._work = work
        self._saved = saved
        self._progress = progress
        self._listener = listener

    def attach(self, trainer: Any) -> None:
        for event in (
            "on_pretrain_routine_end",
            "on_train_start",
            "on_train_epoch_start",
            "on_train_batch_end",
            "on_fit_epoch_end",
        ):
            trainer.add_callback(event, getattr(self, event))

    def on_pretrain_routine_end(self, trainer: Any) -> None:
        self._batch = trainer.batch_size
        if self._saved is not None:
            checkpoints.restore(trainer, self._saved, self._work)

    def on_train_start(self, trainer: Any) -> None:
        self._started = time.monotonic()
        self._history = History(self._work / HISTORY_FILE, start_epoch=trainer.start_epoch)
        self._progress.start(
            start_epoch=trainer.start_epoch, epochs=trainer.epochs, batches=len(trainer.train_loader)
        )

    def on_train_epoch_start(self, trainer: Any) -> None:
        """Seed every epoch on its own.

        Set-up and validation draw random numbers too, more or fewer of them by the number of
        validation images, and on the CPU the augmentation goes on from there. Seeded anew, it is the
        same for every validation set, and in a resumed training too.
        """
        seed = int(np.random.SeedSequence([trainer.args.seed, trainer.epoch]).generate_state(1)[0])
        init_seeds(seed, deterministic=trainer.args.deterministic)
        loader = trainer.train_loader
        loader.generator.manual_seed(seed)  # by which images are shuffled
        if loader.num_workers == 0:
            loader.reset()  # its iterator draws a number when it is made

    def on_train_batch_end(self, trainer: Any) -> None:
        """Count a batch.

        When memory runs out in the first epoch, Ultralytics goes on with half the batch: a baseline and
        its distilled student would be trained differently.
        """
        if trainer.batch_size != self._batch:
            raise KdpipeError(
                f"out of memory with a batch of {self._batch}; {trainer.batch_size} fits: write "
                f"train.batch: {trainer.batch_size}, for baseline and distilled alike"
            )
        self._progress.batch()

    def on_fit_epoch_end(self, trainer: Any) -> None:
        epoch = trainer.epoch + 1
        values = _epoch_values(trainer)
        seconds = self._history.seconds_before + time.monotonic() - self._started
        row = values | {"peak_memory_mib": peak_memory_mib(trainer.device)}
        ended = self._history.add(epoch, seconds, row)
        checkpoints.save(trainer, self._work)  # after its row, without which no epoch is continued from
        self._progress.epoch(epoch, trainer.epochs, seconds, values)
        self._listener.epoch(epoch, values, ended)


def _epoch_values(trainer: Any) -> dict[str, float]:
    """Every loss and metric, and the learning rate, of the epoch that a trainer has just finished.

    `val/dis_loss` is left out: Ultralytics computes no distillation loss in validation, and its
    zero would read like a result.
    """
    values = {**trainer.label_loss_items(trainer.tloss), **trainer.metrics, "lr": trainer.lr["lr/pg0"]}
    values.pop("val/dis_loss", None)
    return {metric_name(name, trainer.args.task): float(value) for name, value in values.items()}


def _overrides(job: Job, work: Path) -> dict[str, Any]:
    overrides = {
        **arguments.resolved(job.arguments),
        "task": job.task,
        "mode": "train",
        "model": job.start,
        "data": str(job.data.resolve()),
        "seed": job.seed,
        "save_dir": str(work.resolve()),
        "exist_ok": True,
    }
    if job.teacher is not None:
        overrides |= {"distill_model": str(job.teacher.resolve()), "dis": job.dis}
    return overrides


def _collect(work: Path) -> Trained:
    history, saved = read_history(work / HISTORY_FILE), checkpoints.load(work)
    kept, best = work / checkpoints.BEST_FILE, work / "best.pt"
    if not history or saved is None or not kept.exists():
        raise KdpipeError(f"the training ended without a checkpoint; see {work / LOG_FILE}")
    shutil.copyfile(kept, best)
    strip_optimizer(best)
    used = saved.arguments
    return Trained(
        best=best,
        files=(work / HISTORY_FILE, work / LOG_FILE),
        arguments={name: value for name, value in used.items() if name not in PLACES},
        epochs=int(history[-1]["epoch"]),
        seconds=history[-1]["seconds"],
        peak_memory_mib=int(max(row["peak_memory_mib"] for row in history)),
        device=device_name(str(used["device"])),
    )


def device_name(device: str) -> str:
    """The model of the GPU, or `CPU`: the kind of arithmetic, which a result depends on."""
    if device == "cpu" or not torch.cuda.is_available():
        return "CPU"
    return torch.cuda.get_device_name()


def peak_memory_mib(device: torch.device) -> int:
    """The most memory used so far: of the GPU that trains, else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated() / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / (2**20 if sys.platform == "darwin" else 2**10))
