"""Opening checkpoints, which are programs: only such as contain a model and nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from kdpipe.errors import KdpipeError

# What models are made of, and what is saved with one in training.
PARTS = re.compile(
    r"torch\.nn\.modules\.\w+\.\w+|torch\.nn\.modules\.\w+|ultralytics\.nn\.modules\.\w+\.\w+"
    r"|ultralytics\.nn\.tasks\.\w+Model|ultralytics\.utils\.(loss|tal)\.\w+"
    r"|ultralytics\.utils\.IterableSimpleNamespace|ultralytics\.nn\.distill_model\.\w+"
)
# How a method that was put in the place of another is saved.
METHODS = ("__builtin__.getattr", "builtins.getattr")
FUSED = " (as a fused model does: take the checkpoint that its training saved)"


class _Inert:
    """Stands for a class of a checkpoint: takes its state, and does nothing."""

    def __init__(self, *given: Any) -> None:
        """Take no arguments: with some, a constructor may do more than to make a part of a model."""
        if given:
            raise ValueError(f"{type(self).__name__} called with arguments")

    def __setstate__(self, state: Any) -> None:
        """Take the place of the real object."""


def check_trust(path: Path, sha256: str | None, known: str | None = None) -> None:
    """Refuse a file before it is opened, unless it is known, or expected, or can do no harm.

    A checkpoint of Ultralytics is a pickle, which may run any code when it is read. Before that, PyTorch's
    restricted reader (`torch.load(weights_only=True)`; docs.pytorch.org, Serialization semantics) reads it
    with inert classes in the place of a model's: what it can read so makes parts and sets their state.

    Args:
        path: The file.
        sha256: The digest that the user wrote, which says that the file is trusted; or None.
        known: The digest that a file of this name is known to have; or None.

    Raises:
        KdpipeError: if it is another file than expected, or one that does more than a model needs.
    """
    expected = sha256 or known
    if expected is None:
        found = foreign_parts(path)
        if found:
            raise KdpipeError(
                f"{path} is more than a model: opening it would run {found}; if you trust this file, write "
                f"beside it sha256: {_sha256(path)}"
            )
    elif _sha256(path) != expected.lower():
        raise KdpipeError(f"{path} is not the expected file: its sha256 is {_sha256(path)}, not {expected}")


def foreign_parts(path: Path) -> str | None:
    """What in a checkpoint is no part of a model; None if there is no such thing.

    Raises:
        KdpipeError: if it is no checkpoint at all.
    """
    try:
        names = get_unsafe_globals_in_checkpoint(path)
    except Exception as error:
        remedy = "take the file that a training saved, or copy it again"
        raise KdpipeError(f"{path} is no checkpoint, or cut short; {remedy}") from error
    if other := sorted(name for name in names if not PARTS.fullmatch(name)):
        return ", ".join(f"{name}{FUSED if name in METHODS else ''}" for name in other)
    inert: list[Any] = [(type(name, (_Inert,), {}), name) for name in names]
    try:
        with safe_globals(inert):
            torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
