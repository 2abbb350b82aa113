"""Exact training state after each epoch, to resume an interrupted training.

Ultralytics' checkpoints contain the weights only as a moving average in half precision; a training resumed
from them differs from one that was never interrupted.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ultralytics.utils import LOGGER
from ultralytics.utils.torch_utils import unwrap_model

NEWEST, BEFORE = "state.pt", "state-before.pt"
BEST_FILE = "best-so-far.pt"
TEACHER = "teacher_model."


@dataclass(frozen=True)
class SavedState:
    """State of a training after an epoch.

    Attributes:
        epochs: Number of finished epochs.
        ended: Whether this was the last epoch.
        arguments: Arguments of Ultralytics' trainer.
        content: State of the trainer's parts, for `restore`.
    """

    epochs: int
    ended: bool
    arguments: dict[str, Any]
    content: dict[str, Any]


def save(trainer: Any, work: Path) -> None:
    """Save the state of a trainer that has just finished an epoch, and its best checkpoint so far.

    Files are replaced in one step, and the state of the previous epoch is kept as a backup. There is no best
    checkpoint until an epoch has a fitness that is a number.
    """
    if trainer.best.exists():
        _write(work / BEST_FILE, trainer.best.read_bytes())
    content = io.BytesIO()
    torch.save(_state(trainer), content)
    newest = work / NEWEST
    if newest.exists():
        newest.replace(work / BEFORE)
    _write(newest, content.getbuffer())


def load(work: Path) -> SavedState | None:
    """The newest readable state; None if there is none."""
    for path in (work / NEWEST, work / BEFORE):
        if path.exists():
            try:
                found = torch.load(path, map_location="cpu", weights_only=True)
                return SavedState(found["epochs"], found["ended"], json.loads(found["arguments"]), found)
            except Exception as error:  # incomplete after a power failure
                LOGGER.warning(f"{path} is broken ({error}); going back by an epoch")
    return None


def is_best_whole(work: Path) -> bool:
    """Whether the best checkpoint so far can be read, or there is none yet."""
    path = work / BEST_FILE
    if not path.exists():
        return True
    try:
        with zipfile.ZipFile(path) as checkpoint:
            return checkpoint.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False


def discard(work: Path) -> None:
    """Remove the state of a training: nothing else has the best checkpoint of its epochs."""
    for name in (NEWEST, BEFORE, BEST_FILE):
        (work / name).unlink(missing_ok=True)


def restore(trainer: Any, saved: SavedState, work: Path) -> None:
    """Set a trainer to a saved state.

    Args:
        trainer: A trainer that is set up for the same training and has not started.
        saved: The state.
        work: Folder with the best checkpoint so far.
    """
    content, model = saved.content, unwrap_model(trainer.model)
    missing, unexpected = model.load_state_dict(content["model"], strict=False)
    assert not unexpected, unexpected
    assert all(name.startswith(TEACHER) for name in missing), missing
    trainer.ema.ema.load_state_dict(content["ema"])
    trainer.ema.updates = content["updates"]
    trainer.optimizer.load_state_dict(content["optimizer"])
    trainer.scaler.load_state_dict(content["scaler"])
    trainer.best_fitness = content["best_fitness"]
    vars(trainer.stopper).update(content["stopper"])
    trainer.start_epoch = saved.epochs
    trainer.scheduler.last_epoch = saved.epochs - 1  # the next epoch begins with a scheduler step
    if content["criterion"]:
        model.criterion = model.init_criterion()
        vars(model.criterion).update(content["criterion"])
    dataset = trainer.train_loader.dataset
    for image in content["buffer"]:  # mosaics are made of these images
        dataset.load_image(image)
    if (work / BEST_FILE).exists():
        shutil.copyfile(work / BEST_FILE, trainer.best)


def _state(trainer: Any) -> dict[str, Any]:
    model, stopper = unwrap_model(trainer.model), trainer.stopper
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith(TEACHER)}
    return {
        "epochs": trainer.epoch + 1,
        "ended": bool(trainer.stop),
        "arguments": json.dumps(trainer.used_arguments, default=str),
        "model": weights,
        "ema": trainer.ema.ema.state_dict(),
        "updates": trainer.ema.updates,
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "best_fitness": _number(trainer.best_fitness),
        "stopper": {
            "best_fitness": _number(stopper.best_fitness),
            "best_epoch": stopper.best_epoch,
            "possible_stop": bool(stopper.possible_stop),
        },
        "criterion": _schedule(model.criterion),
        "buffer": [int(image) for image in trainer.train_loader.dataset.buffer],
    }


def _schedule(criterion: Any) -> dict[str, float]:
    """Current weights of the losses of both heads; empty for a model with one head."""
    names = ("updates", "o2m", "o2o") if hasattr(criterion, "o2m") else ()
    return {name: getattr(criterion, name) for name in names}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _write(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that it is complete or absent, even after a power failure."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
