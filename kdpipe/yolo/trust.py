"""Check checkpoints before they are used: they may contain nothing but a model."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from kdpipe.errors import KdpipeError
from kdpipe.yolo.inert import globals_of, read_inert

# Classes that models consist of, and those that are saved with a model during training.
PARTS = re.compile(
    r"torch\.nn\.modules\.\w+\.\w+|torch\.nn\.modules\.\w+|ultralytics\.nn\.modules(\.\w+)?\.\w+"
    r"|ultralytics\.nn\.tasks\.\w+Model|ultralytics\.utils\.(loss|tal)\.\w+"
    r"|ultralytics\.(yolo\.)?utils\.IterableSimpleNamespace|ultralytics\.nn\.distill_model\.\w+"
)
# What checkpoints call with arguments: `Detect.forward` in segment, pose and obb, numbers of numpy.
CALLS = re.compile(r"(__builtin__|builtins)\.getattr|numpy\.dtype|numpy\.(_core|core)\.multiarray\.scalar")


def check_trust(path: Path, sha256: str | None, known: str | None = None) -> None:
    """Reject a file unless its digest is as expected, or it contains only a model.

    Nothing of a checkpoint is ever run (`kdpipe.yolo.rebuild`). This check refuses a file that would run code
    in other programs. With a digest, what the file contains beside a model is ignored.

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
    names = globals_of(path)
    if other := sorted(name for name in names if not (PARTS.fullmatch(name) or CALLS.fullmatch(name))):
        return ", ".join(other)
    try:
        read_inert(path, may_call=CALLS)
    except Exception as error:
        return _first_line(error)
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
