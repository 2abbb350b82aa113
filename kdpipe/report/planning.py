"""What a comparison could have detected, and what it would take to detect more."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from kdpipe.report.gains import ERROR, Gain, margin_at

POWER = 0.8
MOST_SEEDS = 1000  # more are not worth counting
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


def detectable(noise: Noise, seeds: int) -> float:
    """Return the gain that so many seeds detect with a probability of 0.8, about.

    It is the half width of the 95 % interval plus as much again for the power, both with Student's t (the
    usual approximation of the noncentral distribution: R. V. Lenth, The American Statistician 55, 2001).
    """
    errors = (noise.seed_sd / seeds**0.5, seeds - 1, noise.image_error)
    return margin_at(1 - ERROR / 2, *errors) + margin_at(POWER, *errors)


def seeds_for(effect: float, noise: Noise) -> float:
    """Return how many seeds in all detect a gain of this size; infinity if the images are too few."""
    low, high = 2, MOST_SEEDS
    if detectable(noise, high) > effect:
        return inf
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if detectable(noise, middle) <= effect else (middle + 1, high)
    return low


def planned(gain: Gain | None, smallest: float) -> dict[str, float | None]:
    """Return what a comparison could have detected, and the seeds in all that would detect more.

    Args:
        gain: The gain; None if it is unknown.
        smallest: The smallest gain worth having, as a fraction of 1.

    Returns:
        `detectable`, the gain that it could have detected; `seeds for smallest` and `seeds for gain`, where
        infinity means that the images are too few for any number of seeds; None where it is unknown.
    """
    noise = noise_of(gain) if gain else None
    if gain is None or noise is None:
        return dict.fromkeys(COLUMNS)
    seeds = (seeds_for(effect, noise) for effect in (smallest, abs(gain.mean)))
    return dict(zip(COLUMNS, (detectable(noise, len(gain.per_seed)), *seeds), strict=True))
