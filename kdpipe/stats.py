"""Gains over several seeds, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (n - 1) over seeds; None where one seed has no spread."""

    mean: float
    sd: float | None
    per_seed: dict[int, float]


@dataclass(frozen=True)
class Gain:
    """Mean of the differences seed by seed, and its 95 % interval (None for a single seed)."""

    mean: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """What the interval says, in plain words."""
        if self.low is None or self.high is None:
            return "one seed"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "within noise"


def summarise(per_seed: Mapping[int, float]) -> Summary:
    """Mean and spread of one result over seeds."""
    values = list(per_seed.values())
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), sd, dict(per_seed))


def paired_gain(before: Mapping[int, float], after: Mapping[int, float]) -> Gain:
    """Gain of `after` over `before`, paired by seed, with Student's t interval of the mean.

    The interval covers the noise between seeds, not that of the choice of validation images.

    Raises:
        ValueError: if they share no seed.
    """
    seeds = sorted(before.keys() & after.keys())
    if not seeds:
        raise ValueError("no seed in common")
    differences = [after[seed] - before[seed] for seed in seeds]
    mean = float(np.mean(differences))
    if len(seeds) == 1:
        return Gain(mean, None, None)
    half = float(stats.sem(differences) * stats.t.ppf((1 + CONFIDENCE) / 2, len(seeds) - 1))
    return Gain(mean, mean - half, mean + half)
