"""Let Ultralytics open checkpoints without running anything of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from ultralytics.nn import tasks

from kdpipe.yolo.rebuild import contents_of, rebuilt


@contextmanager
def rebuilding(*paths: Path | str) -> Iterator[None]:
    """Give Ultralytics a model that is built afresh when it opens one of these checkpoints.

    Other files, such as those of a training in progress, are opened by Ultralytics' own safe loading.

    Raises:
        KdpipeError: while one is opened, if it is not a checkpoint of a model.
    """
    ours = {Path(path).resolve() for path in paths}
    theirs = tasks.torch_safe_load

    def load(weight: Path | str, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], Any]:
        path = Path(weight).resolve()
        return (_opened(path), weight) if path in ours else theirs(weight, *args, **kwargs)

    tasks.torch_safe_load = load
    try:
        yield
    finally:
        tasks.torch_safe_load = theirs


def save_rebuilt(source: Path, target: Path) -> None:
    """Write a checkpoint of the same model without anything else that is in the file.

    Args:
        source: The checkpoint.
        target: The file to write.

    Raises:
        KdpipeError: if it is not a checkpoint of a model.
    """
    torch.save(_opened(source), target)


def _opened(path: Path) -> dict[str, Any]:
    """A checkpoint as Ultralytics has it in memory, of plain values and a model that is built afresh."""
    contents = contents_of(path)
    rest = {"ema": None, "optimizer": None, "modelopt": contents.quantized}
    return {**contents.values, "model": rebuilt(path, contents), **rest}
