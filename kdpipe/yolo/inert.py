"""Read checkpoints without running anything of them.

An Ultralytics checkpoint is a pickle of a model object, which may run any code when it is loaded or used.
PyTorch's restricted reader (`torch.load(weights_only=True)`; docs.pytorch.org, Serialization semantics) loads
it here with inert objects in place of a model's, which keep their state and do nothing. Weights and plain
values are taken from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    get_unsafe_globals_in_checkpoint,
    safe_globals,
)

from kdpipe.errors import KdpipeError

MOST_VALUES, MOST_NESTED = 1_000_000, 20  # of plain values; class names and train arguments need fewer
ANYTHING = re.compile(".*")
_reading = Lock()


class Inert:
    """Replacement for an object in a checkpoint: keeps its state and does nothing."""

    state: object = None

    def __init__(self, *given: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Keep the state of the replaced object."""
        self.__dict__["state"] = state


class _Uncalled(Inert):
    def __init__(self, *given: object) -> None:
        """Reject arguments: a constructor with arguments may do more than create a part of a model."""
        if given:
            raise ValueError(f"{type(self).__name__} called with arguments")


def globals_of(path: Path) -> list[str]:
    """Names of the classes and functions in a checkpoint, but for those that PyTorch always allows.

    Raises:
        KdpipeError: if the file is not a checkpoint, or is incomplete.
    """
    try:
        with _only(()):
            return get_unsafe_globals_in_checkpoint(path)
    except Exception as error:
        remedy = "take the file that a training saved, or copy it again"
        raise KdpipeError(f"{path} is no checkpoint, or cut short; {remedy}") from error


def read_inert(path: Path, may_call: re.Pattern[str] = ANYTHING) -> Any:
    """Load a checkpoint with an `Inert` of the same name in place of every object that is not plain.

    Args:
        path: The checkpoint.
        may_call: Names that may be called with arguments; the call is forgotten.

    Raises:
        KdpipeError: if the file is not a checkpoint, or is incomplete.
        Exception: whatever PyTorch raises for a pickle that does more than create objects.
    """
    names = globals_of(path)
    kinds = {name: Inert if may_call.fullmatch(name) else _Uncalled for name in names}
    with _only([(type(name, (kind,), {}), name) for name, kind in kinds.items()]):
        return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _only(classes: Iterable[Any]) -> Iterator[None]:
    """Let PyTorch's reader create these classes only, not those that Ultralytics has allowed here."""
    with _reading:
        before = get_safe_globals()
        clear_safe_globals()
        try:
            with safe_globals(list(classes)):
                yield
        finally:
            clear_safe_globals()
            add_safe_globals(before)


def is_plain(value: object) -> bool:
    """Whether a value consists of numbers, text, lists and mappings only."""
    try:
        plain(value)
    except ValueError:
        return False
    return True


def plain(value: object) -> Any:
    """Copy a value that consists of numbers, text, lists and mappings only.

    Raises:
        ValueError: if it contains anything else, or is too large.
    """
    return _plain(value, iter(range(MOST_VALUES)), MOST_NESTED)


def _plain(value: object, left: Iterator[int], nested: int) -> Any:
    if next(left, None) is None or nested < 0:
        raise ValueError("too many values")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict):
        return {_key(key): _plain(item, left, nested - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        kind = list if isinstance(value, list) else tuple
        return kind(_plain(item, left, nested - 1) for item in value)
    raise ValueError(f"{type(value).__name__} is no plain value")


def _key(key: object) -> str | int:
    if type(key) in (str, int):
        return key  # type: ignore[return-value]
    raise ValueError(f"{type(key).__name__} is no plain key")
