"""Check checkpoints before they are opened: they are programs, and may contain nothing but a model."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from kdpipe.errors import KdpipeError

# Classes that models consist of, and those that are saved with a model during training.
PARTS = re.compile(
    r"torch\.nn\.modules\.\w+\.\w+|torch\.nn\.modules\.\w+|ultralytics\.nn\.modules\.\w+\.\w+"
    r"|ultralytics\.nn\.tasks\.\w+Model|ultralytics\.utils\.(loss|tal)\.\w+"
    r"|ultralytics\.utils\.IterableSimpleNamespace|ultralytics\.nn\.distill_model\.\w+"
)
# Names that a pickle contains for a replaced method.
METHODS = ("__builtin__.getattr", "builtins.getattr")
FUSED = " (as a fused model does: take the checkpoint that its training saved)"


class _Inert:
    """Replacement for a class in a checkpoint: accepts its state and does nothing."""

    def __init__(self, *given: Any) -> None:
        """Reject arguments: a constructor with arguments may do more than create a part of a model."""
        if given:
            raise ValueError(f"{type(self).__name__} called with arguments")

    def __setstate__(self, state: Any) -> None:
        """Accept the state of the replaced object."""


def check_trust(path: Path, sha256: str | None, known: str | None = None) -> None:
    """Reject a file before it is opened, unless its digest is as expected or it contains only a model.

    An Ultralytics checkpoint is a pickle, which may run any code when it is loaded. So PyTorch's restricted
    reader (`torch.load(weights_only=True)`; docs.pytorch.org, Serialization semantics) loads it first, with
    inert classes in place of a model's classes. A file that loads this way only creates objects and sets
    their state.

    Args:
        path: The checkpoint.
        sha256: SHA-256 from the user, which marks the file as trusted; or None.
        known: Known SHA-256 of a released file of this name; or None.

    Raises:
        KdpipeError: if the file is not the expected one, or contains more than a model.
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
    """Parts of a checkpoint that do not belong to a model; None if there are none.

    Raises:
        KdpipeError: if the file is not a checkpoint, or is incomplete.
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
