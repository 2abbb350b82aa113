"""Training in this process, with progress display, history and resume."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import ultralytics
from ultralytics.utils import LOGGER, RANK
from ultralytics.utils.torch_utils import init_seeds

from kdpipe.cells.history import HISTORY_FILE, History
from kdpipe.errors import KdpipeError
from kdpipe.models.tasks import metric_name
from kdpipe.runner import state
from kdpipe.runner.gradient import NAME, GradientShare
from kdpipe.runner.job import Job, Listener
from kdpipe.runner.progress import TrainingProgress
from kdpipe.runner.trainers import TRAINERS
from kdpipe.yolo import arguments
from kdpipe.yolo.device import peak_memory_mib
from kdpipe.yolo.log import LOG_FILE
from kdpipe.yolo.reading import count_images

MAIN = RANK in (-1, 0)  # whether this is the process of the training that writes files


def train_here(job: Job, work: Path, progress: TrainingProgress, listener: Listener) -> None:
    """Train, or resume from the state in `work`.

    Args:
        job: The training.
        work: Folder of its unfinished state.
        progress: Progress display.
        listener: Gets the metrics of every epoch.

    Raises:
        KdpipeError: if the training diverged, ran out of memory, or lost its data.
    """
    trainer = TRAINERS[job.identity.task](overrides=_overrides(job, work))
    trainer.method, trainer.teachers = job.identity.method, [str(path.resolve()) for path in job.teachers]
    _Watch(job, work, progress, listener).attach(trainer)
    _run(trainer, work / LOG_FILE)


def _run(trainer: Any, log: Path) -> None:
    """Train, and turn known errors into messages with a remedy."""
    try:
        trainer.train()
    except FileNotFoundError as error:
        kept = "the epochs before are kept: put it back, and run again"
        raise KdpipeError(f"the data set changed during the training ({error}); {kept}") from error
    except (RuntimeError, ValueError) as error:
        if "NaN" in str(error):
            raise KdpipeError(f"the training diverged ({error}); a lower train.lr0 may help") from error
        if "out of memory" in str(error).lower():
            raise KdpipeError(
                f"out of memory even with batch {trainer.batch_size} ({error}); "
                "write a smaller train.imgsz or take a smaller model"
            ) from error
        if _is_of_ultralytics(error):
            LOGGER.exception("the training ends")
            raise KdpipeError(f"Ultralytics cannot train this: {error}; see {log}") from error
        raise


def _is_of_ultralytics(error: Exception) -> bool:
    """Whether Ultralytics itself raised an error, so that its message is for the user."""
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    return Path(place).is_relative_to(Path(ultralytics.__file__).parent)


class _Watch:
    """Callbacks that display and record a training, and make it resumable."""

    def __init__(self, job: Job, work: Path, progress: TrainingProgress, listener: Listener) -> None:
        self._images = job.images
        self._work = work
        self._saved = state.load(work)
        self._progress = progress
        self._listener = listener
        self._gradient = GradientShare()

    def attach(self, trainer: Any) -> None:
        trainer.add_callback("on_train_epoch_start", self._gradient.on_train_epoch_start)
        for event in (
            "on_pretrain_routine_end",
            "on_train_start",
            "on_train_epoch_start",
            "on_train_batch_end",
            "on_fit_epoch_end",
        ):
            trainer.add_callback(event, getattr(self, event))

    def on_pretrain_routine_end(self, trainer: Any) -> None:
        self._count_images(trainer)
        self._batch = trainer.batch_size
        if self._saved is not None:
            state.restore(trainer, self._saved, self._work)

    def _count_images(self, trainer: Any) -> None:
        """Refuse a training on other images than were prepared."""
        loaders = {"train": trainer.train_loader, **({"val": trainer.test_loader} if MAIN else {})}
        for split, loader in loaders.items():
            if split in self._images:
                count_images(loader, split, self._images[split])

    def on_train_start(self, trainer: Any) -> None:
        self._started = time.monotonic()
        if not MAIN:
            return
        self._history = History(self._work / HISTORY_FILE, start_epoch=trainer.start_epoch)
        self._progress.start(
            start_epoch=trainer.start_epoch, epochs=trainer.epochs, batches=len(trainer.train_loader)
        )

    def on_train_epoch_start(self, trainer: Any) -> None:
        """Seed the random generators at the start of every epoch.

        Set-up and validation draw random numbers too, and how many depends on the number of validation
        images. On the CPU the augmentation continues with the same generator. With a new seed per epoch, the
        augmentation is the same for every validation set, and also in a resumed training.
        """
        of_process = [] if MAIN else [RANK]
        entropy = [trainer.args.seed, trainer.epoch, *of_process]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        init_seeds(seed, deterministic=trainer.args.deterministic)
        loader = trainer.train_loader
        loader.generator.manual_seed(seed)  # shuffles the images if only one process trains
        if loader.num_workers == 0:
            loader.reset()  # a new iterator draws a random number

    def on_train_batch_end(self, trainer: Any) -> None:
        """Count a batch, and stop if Ultralytics reduced the batch size.

        If memory runs out in the first epoch, Ultralytics continues with half the batch size. A baseline and
        its distilled student would then be trained differently.
        """
        if trainer.batch_size != self._batch:
            raise KdpipeError(
                f"out of memory with a batch of {self._batch}; {trainer.batch_size} fits: write "
                f"train.batch: {trainer.batch_size}, for baseline and distilled alike"
            )
        self._progress.batch()

    def on_fit_epoch_end(self, trainer: Any) -> None:
        if not MAIN:
            return
        epoch = trainer.epoch + 1
        values = _epoch_values(trainer)
        if self._gradient.value is not None:
            values[NAME] = self._gradient.value
        seconds = self._history.seconds_before + time.monotonic() - self._started
        row = values | {"peak_memory_mib": peak_memory_mib(trainer.device)}
        ended = self._history.add(epoch, seconds, row)
        state.save(trainer, self._work)  # after its row: resuming needs the rows of all saved epochs
        self._progress.epoch(epoch, trainer.epochs, seconds, values)
        self._listener.epoch(epoch, values, ended)


def _epoch_values(trainer: Any) -> dict[str, float]:
    """Losses, metrics and learning rate of the epoch that a trainer has just finished.

    `val/dis_loss` is excluded: Ultralytics computes no distillation loss in validation, and its zero would
    look like a result.
    """
    values = {**trainer.label_loss_items(trainer.tloss), **trainer.metrics, "lr": trainer.lr["lr/pg0"]}
    values.pop("val/dis_loss", None)
    return {metric_name(name, trainer.args.task): float(value) for name, value in values.items()}


def _overrides(job: Job, work: Path) -> dict[str, Any]:
    overrides = {
        **arguments.resolved(job.identity.arguments),
        "task": job.identity.task,
        "mode": "train",
        "model": job.start,
        "data": str(job.data.resolve()),
        "seed": job.identity.seed,
        "save_dir": str(work.resolve()),
        "exist_ok": True,
    }
    if job.teachers:
        overrides |= {"distill_model": str(job.teachers[0].resolve()), "dis": job.identity.dis}
    return overrides
