"""What a comparison could have detected, and what it would take to detect more."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from kdpipe.report.gains import Gain, margin_at

POWER = 0.8
MOST_SEEDS = 1000  # more are not counted
COLUMNS = ("detectable", "seeds for smallest", "seeds for gain")


@dataclass(frozen=True)
class Noise:
    """The spread of one seed's difference, and the error that all seeds share, as fractions of 1."""

    seed_sd: float
    image_error: float


def noise_of(gain: Gain) -> Noise | None:
    """Return the noise that a gain was measured with; None for a single seed, which does not show it."""
    if gain.seed_error is None:
        return None
    return Noise(gain.seed_error * len(gain.per_seed) ** 0.5, gain.image_error or 0.0)


def detectable(noise: Noise, seeds: int, error: float) -> float:
    """Return the gain that so many seeds detect with a probability of 0.8, about (0.7 with 3 or 4 seeds).

    It is the half width of the interval plus as much again for the power, both with Student's t (the usual
    approximation of the noncentral distribution: R. V. Lenth, The American Statistician 55, 2001).

    Args:
        noise: Of the comparison.
        seeds: At least two.
        error: Two-sided error of the interval.
    """
    errors = (noise.seed_sd / seeds**0.5, seeds - 1, noise.image_error)
    return margin_at(1 - error / 2, *errors) + margin_at(POWER, *errors)


def seeds_for(effect: float, noise: Noise, error: float) -> float:
    """Return how many seeds in all detect a gain of this size.

    Args:
        effect: The gain, as a fraction of 1.
        noise: Of the comparison.
        error: Two-sided error of its interval.

    Returns:
        The number, or 1001 for any that is larger than 1000; infinity if the images are too few for any
        number of seeds.
    """
    if detectable(Noise(0.0, noise.image_error), MOST_SEEDS, error) > effect:
        return inf
    low, high = 2, MOST_SEEDS + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(noise, middle, error) <= effect else (middle + 1, high)
    return low


def planned(gain: Gain | None, smallest: float, error: float) -> dict[str, float | None]:
    """Return what a comparison could have detected, and the seeds in all that would detect more.

    Args:
        gain: The gain; None if it is unknown.
        smallest: The smallest gain worth having, as a fraction of 1.
        error: Two-sided error of the interval that decides.

    Returns:
        `detectable`, the gain that it could have detected; `seeds for smallest` and `seeds for gain`, as from
        `seeds_for`; None where it is unknown.
    """
    noise = noise_of(gain) if gain else None
    if gain is None or noise is None:
        return dict.fromkeys(COLUMNS)
    seeds = (seeds_for(effect, noise, error) for effect in (smallest, abs(gain.mean)))
    return dict(zip(COLUMNS, (detectable(noise, len(gain.per_seed), error), *seeds), strict=True))
