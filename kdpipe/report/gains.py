"""Compute gains with their uncertainty: over seeds, and over the choice of validation images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

CONFIDENCE = 0.95
ERROR = 1 - CONFIDENCE  # two-sided, of one interval on its own
SURE = 1 - 1e-9  # the largest probability that is reported
NO_DEVIATIONS = np.zeros(0)
PRECISION = 1e-6  # of a probability
BETTER, WORSE, NO_GAIN = "better", "worse", "no gain worth having"
UNDECIDED, UNKNOWN = "undecided", "unknown"
ONE_SEED = " (one seed)"  # after a verdict without a spread over seeds


@dataclass(frozen=True)
class Measurement:
    """The metric of one checkpoint, and its deviations over half samples of the images.

    `deviations` has the shape (samples,), or (0,) if there are none. Entry i is of the same half of the
    images for every checkpoint.
    """

    value: float
    deviations: NDArray[np.float64] = field(default_factory=lambda: NO_DEVIATIONS, compare=False)


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (n - 1) over seeds; the latter is None for one seed."""

    mean: float
    sd: float | None
    per_seed: dict[int, float]


@dataclass(frozen=True)
class Gain:
    """Mean difference over seeds, its 95 % interval, and the probability that it is above 0.

    `seed_error` is the standard error over trainings with other seeds, `image_error` that over measurements
    on other images. With one seed the first is unknown, and the interval does not include it. If both are
    unknown, there is no interval.
    """

    mean: float
    low: float | None
    high: float | None
    probability: float | None
    per_seed: dict[int, float]
    seed_error: float | None
    image_error: float | None

    @property
    def p(self) -> float | None:
        """Two-sided P of a gain of 0; None if it is unknown."""
        return None if self.probability is None else 2 * min(self.probability, 1 - self.probability)

    def verdict(self, smallest: float) -> str:
        """Return what the interval decides.

        `no gain worth having` excludes every gain and loss of at least `smallest`, a fraction of 1, whether
        or not it excludes 0; else `better` and `worse` exclude 0. The first is an equivalence test by two
        one-sided tests (D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
        """
        if self.low is None or self.high is None:
            return UNKNOWN
        word = UNDECIDED
        if -smallest < self.low and self.high < smallest:
            word = NO_GAIN
        elif self.low > 0:
            word = BETTER
        elif self.high < 0:
            word = WORSE
        return word if len(self.per_seed) > 1 else word + ONE_SEED


def summarise(per_seed: Mapping[int, Measurement]) -> Summary:
    """Return mean and standard deviation of one result over seeds."""
    by_seed = {seed: found.value for seed, found in per_seed.items()}
    values = np.array(list(by_seed.values()))
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return Summary(float(values.mean()), sd, by_seed)


def paired_gain(before: Mapping[int, Measurement], after: Mapping[int, Measurement]) -> Gain:
    """Return the gain of `after` over `before`, paired by seed and by image.

    Two sources of error are kept apart. Seeds: the standard deviation of the differences divided by
    sqrt(n), with Student's t on n - 1 degrees of freedom; it includes what a seed changes on single
    images. Images: what the differences of the seeds have in common over the half samples, that is their
    mean covariance, with the normal distribution. The margins of the two add as squares (G. Y. Zou and
    A. Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27,
    2008), so that no error is counted twice.

    Raises:
        ValueError: if they share no seed.
    """
    seeds = sorted(before.keys() & after.keys())
    if not seeds:
        raise ValueError("no seed in common")
    per_seed = {seed: after[seed].value - before[seed].value for seed in seeds}
    differences = np.array(list(per_seed.values()))
    deviations = [after[seed].deviations - before[seed].deviations for seed in seeds]
    mean = float(differences.mean())
    image_error = _common_error(np.array(deviations))
    seed_error = float(differences.std(ddof=1) / np.sqrt(len(seeds))) if len(seeds) > 1 else None
    if seed_error is None and image_error is None:
        return Gain(mean, None, None, None, per_seed, None, None)
    errors = (seed_error or 0.0, len(seeds) - 1, image_error or 0.0)
    margin = margin_at(1 - ERROR / 2, *errors)
    return Gain(
        mean=mean,
        low=mean - margin,
        high=mean + margin,
        probability=_probability(mean, *errors),
        per_seed=per_seed,
        seed_error=seed_error,
        image_error=image_error,
    )


def at_error(gain: Gain, error: float, p: float) -> Gain:
    """Return a gain with another interval and P, such as those that hold for several gains at once.

    Args:
        gain: The gain, with its interval.
        error: Two-sided error of the interval.
        p: Two-sided P of a gain of 0.
    """
    margin = margin_at(1 - error / 2, gain.seed_error or 0.0, len(gain.per_seed) - 1, gain.image_error or 0.0)
    probability = 1 - p / 2 if gain.mean > 0 else p / 2
    return replace(gain, low=gain.mean - margin, high=gain.mean + margin, probability=probability)


def _common_error(deviations: NDArray[np.float64]) -> float | None:
    """Return the standard error that all seeds share, from deviations of shape (seeds, samples)."""
    seeds, samples = deviations.shape
    if samples < 2:  # noqa: PLR2004
        return None
    centred = deviations - deviations.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / (samples - 1)
    if seeds == 1:
        return float(np.sqrt(covariance[0, 0]))
    common = (covariance.sum() - np.trace(covariance)) / (seeds * (seeds - 1))
    return float(np.sqrt(max(common, 0.0)))


def margin_at(level: float, seed_error: float, freedom: int, image_error: float) -> float:
    """Return the half width of the interval with this one-sided level."""
    by_seeds = special.stdtrit(freedom, level) * seed_error if freedom else 0.0
    return float(np.hypot(by_seeds, special.ndtri(level) * image_error))


def _probability(mean: float, seed_error: float, freedom: int, image_error: float) -> float:
    """Return the probability that the gain is above 0: the level at which the interval just reaches 0."""
    if mean == 0:
        return 0.5

    def beyond(level: float) -> float:
        return margin_at(level, seed_error, freedom, image_error) - abs(mean)

    level = float(optimize.brentq(beyond, 0.5, SURE, xtol=PRECISION)) if beyond(SURE) > 0 else SURE
    return level if mean > 0 else 1 - level
