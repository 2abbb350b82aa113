"""Students that are trained with simulated INT8 (`train.quantize: 8`), as Ultralytics does it.

A checkpoint holds the model in floating point, and beside it the ranges of its integers, with which
Ultralytics simulates them again when it opens the file (docs.ultralytics.com, Train settings, `quantize`).
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch

from kdpipe.errors import KdpipeError

STEPS = ["quantize", "max_calibrate"]  # of ModelOpt, which a checkpoint names
DATA = (type(None), bool, int, float, str, torch.dtype, torch.Size, torch.Tensor)
MOST_NESTED = 20


@contextmanager
def quietly() -> Iterator[None]:
    """Keep ModelOpt's progress, and its warnings of packages that are not needed, off the screen."""
    logger = logging.getLogger("torch.utils.cpp_extension")  # warns that there is no CUDA
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def checked_quantization(found: object) -> dict[str, Any] | None:
    """Check what a checkpoint has of its quantization: data, and the steps that Ultralytics takes.

    Args:
        found: The entry `modelopt` of the checkpoint.

    Returns:
        It as it is; None if the checkpoint is in floating point.

    Raises:
        KdpipeError: if it is something else.
    """
    if not found:
        return None
    if not isinstance(found, dict) or not _is_data(found, MOST_NESTED):
        raise KdpipeError("its quantization is more than numbers and text")
    try:
        steps = [step for step, _ in found["modelopt"]["modelopt_state_dict"]]
    except (KeyError, TypeError, ValueError) as error:
        raise KdpipeError(f"its quantization is not that of Ultralytics: {error}") from error
    if steps != STEPS:
        raise KdpipeError(f"its quantization takes other steps ({steps}) than Ultralytics'")
    return found


def _is_data(value: object, nested: int) -> bool:
    if nested < 0:
        return False
    if isinstance(value, dict):
        return all(type(key) is str and _is_data(item, nested - 1) for key, item in value.items())
    if type(value) in (list, tuple):
        return all(_is_data(item, nested - 1) for item in value)  # type: ignore[attr-defined]
    return type(value) in DATA
