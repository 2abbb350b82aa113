"""What a choice among several settings costs: an interval that holds for all of them at once.

A setting that was chosen by its results flatters, also when it is chosen on one split and measured on
another: both see the same trainings. Its interval is therefore made as wide as needed to hold for everything
that was tried, at once (single-step min-P: P. H. Westfall and S. S. Young, "Resampling-Based Multiple
Testing", 1993; for many arms and one control, C. W. Dunnett, JASA 50, 1955). scipy.stats.dunnett wants
unpaired groups of one variance; here the differences are paired by seed, and each has a variance of its own.
So the distribution of the smallest P is simulated: differences that share their baseline, of as many seeds,
with the correlation that the seeds show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kdpipe.report.gains import ERROR, Gain, at_error

SIMULATIONS = 20_000
STEP = 0.05  # of correlations, so that few are simulated
SHARED_BASELINE = 0.5  # correlation of two differences with one baseline, if all trainings vary alike


def paid_for(gain: Gain, others: Sequence[Gain], tried: int) -> Gain:
    """Return the gain of the chosen setting, with an interval that holds for all that were tried.

    Args:
        gain: The gain of the chosen setting.
        others: The gains of all settings that it was chosen from.
        tried: How many there were, if some of them are not here any more.
    """
    if gain.p is None or tried == 1:
        return gain
    correlation = correlation_of([other.per_seed for other in others])
    p = adjusted_p(gain.p, tried, len(gain.per_seed), correlation)
    return at_error(gain, error_of(gain, others, tried), p)


def error_of(gain: Gain, others: Sequence[Gain], tried: int) -> float:
    """Return the two-sided error of the interval of the chosen setting, as `paid_for` makes it.

    Args:
        gain: The gain of the chosen setting.
        others: The gains of all settings that it was chosen from.
        tried: How many there were, if some of them are not here any more.
    """
    correlation = correlation_of([other.per_seed for other in others])
    return selection_error(tried, len(gain.per_seed), correlation)


def selection_error(tried: int, seeds: int, correlation: float) -> float:
    """Return the two-sided error of one interval at which all of them hold at once, with 95 % confidence.

    Args:
        tried: Number of settings that were tried.
        seeds: Seeds of each.
        correlation: Of the differences of two settings, as from `correlation_of`.
    """
    if tried == 1 or seeds == 1:
        return ERROR / tried
    return float(max(np.quantile(_smallest_p(tried, seeds, correlation), ERROR), ERROR / tried))


def adjusted_p(p: float, tried: int, seeds: int, correlation: float) -> float:
    """Return the P of the chosen setting, given that so many were tried.

    Args:
        p: Its two-sided P as if it were the only one.
        tried: Number of settings that were tried.
        seeds: Seeds of each.
        correlation: Of the differences of two settings.
    """
    most = min(1.0, tried * p)  # Bonferroni
    if tried == 1 or seeds == 1:
        return most
    smaller = np.searchsorted(_smallest_p(tried, seeds, correlation), p, side="right")
    return min(most, float(1 + smaller) / (1 + SIMULATIONS))


def correlation_of(differences: Sequence[Mapping[int, float]]) -> float:
    """Return the mean correlation of the settings' differences over the seeds that they share.

    It is at most that of a shared baseline, and at least 0: a few seeds may show anything, and a smaller one
    makes the interval wider.
    """
    shared = sorted(set.intersection(*(set(one) for one in differences))) if differences else []
    values = np.array([[one[seed] for seed in shared] for one in differences])
    if len(differences) == 1 or len(shared) < 3 or (values.std(axis=1) == 0).any():  # noqa: PLR2004
        return 0.0
    matrix = np.corrcoef(values)
    found = float(matrix[np.triu_indices(len(matrix), 1)].mean())
    return float(np.clip(np.floor(found / STEP) * STEP, 0.0, SHARED_BASELINE))


def holm(values: Sequence[float]) -> list[float]:
    """Return P adjusted for their number (S. Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(values)
    factors = np.arange(len(values), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(factors * np.array(values)[order]), 1.0)
    return [float(adjusted[place]) for place in np.argsort(order)]


@lru_cache(maxsize=64)
def _smallest_p(tried: int, seeds: int, correlation: float) -> NDArray[np.float64]:
    """Return the smallest two-sided P of `tried` differences without an effect, sorted, (SIMULATIONS,)."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(SIMULATIONS, seeds))
    smallest = np.ones(SIMULATIONS)
    for _ in range(tried):
        own = rng.normal(size=(SIMULATIONS, seeds))
        values = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
        t = values.mean(axis=1) / (values.std(axis=1, ddof=1) / np.sqrt(seeds))
        smallest = np.minimum(smallest, 2 * special.stdtr(seeds - 1, -np.abs(t)))
    return np.sort(smallest)
