"""Smallest and largest numbers in params.yaml: those beyond fail late, or mean something else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from kdpipe.errors import ParamsError

# Ultralytics seeds NumPy, which takes 32 bits, with the seed plus the number of a process.
MOST_SEED = 4_000_000_000

SECTIONS: Mapping[str, tuple[float, float]] = {
    "data.digits.train": (1, 1_000_000),
    "data.digits.val": (1, 1_000_000),
    "data.digits.test": (1, 1_000_000),
    "data.digits.size": (32, 4096),
    "data.digits.seed": (0, MOST_SEED),
    "sweep.seeds": (0, MOST_SEED),
    "confirm.seeds": (0, MOST_SEED),
    "validate.batch": (1, 65_536),
    "validate.max_det": (-math.inf, 100_000),  # Ultralytics knows the smallest
    "evaluate.smallest": (0.01, 100),
    "evaluate.resamples": (-math.inf, 100_000),  # another check says why there must be some
    "evaluate.seed": (0, MOST_SEED),
    "export.imgsz": (32, 16_384),
    "export.fraction": (1e-6, 1),
}
"""Limits of numbers outside `train`, by key."""

TRAIN: Mapping[str, tuple[float, float]] = {
    "epochs": (0, 100_000),
    "time": (0, 10_000),
    "patience": (0, 1_000_000_000),
    "imgsz": (32, 16_384),
    "batch": (-math.inf, 65_536),  # another check says why it must be a number
    "nbs": (1, 1_000_000),
    "workers": (0, 1024),
    "warmup_epochs": (0, 100_000),
    "close_mosaic": (0, 100_000),
    "save_period": (-math.inf, 100_000),
    "multi_scale": (0, 4),
    "max_det": (1, 100_000),
    "mask_ratio": (1, 32),
    **dict.fromkeys(("box", "cls", "dfl", "pose", "kobj", "rle", "angle"), (0, 1_000_000)),
}
"""Limits of train arguments; Ultralytics has some of them, and clips others without a word."""


def limit_problems(key: str, value: object, limits: tuple[float, float]) -> Iterator[ParamsError]:
    """Check a number; values of other types are the concern of other checks.

    Args:
        key: Its key in params.yaml.
        value: The number.
        limits: The smallest and the largest number that is possible.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    least, most = limits
    if math.isnan(value):
        yield ParamsError(key, f"{value} is no number; write one from {least:.15g} to {most:.15g}")
    elif value < least:
        yield ParamsError(key, f"{value} is below {least:.15g}")
    elif value > most:
        yield ParamsError(key, f"{value} is above {most:.15g}")
