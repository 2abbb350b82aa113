"""Intervals that hold at every look, so that seeds can be added until a comparison is decided.

Repeated confidence intervals with one error at all looks (C. Jennison and B. W. Turnbull, "Interim analyses:
the repeated confidence interval approach", JRSS B 51, 1989; S. J. Pocock, Biometrika 64, 1977), on Student's
t. The error of t is the same for every spread, so it is a number, which `benchmarks/decisions.py --looks`
finds by simulation: all intervals of one comparison hold together in 95 % of cases, whatever ends it.
"""

from __future__ import annotations

from math import inf

from kdpipe.report.gains import BETTER, ERROR, NO_GAIN, WORSE, Gain, at_error
from kdpipe.report.planning import COLUMNS, planned

LOOKS = (4, 6, 8, 12, 16, 24, 32, 48, 64)  # seeds at which a comparison may be decided
ERROR_AT_LOOK = 0.0087  # two-sided
DECIDED = (BETTER, WORSE, NO_GAIN)


def at_look(gain: Gain) -> Gain:
    """Return a gain with the interval and P of a look, of at least as many seeds as the first one has."""
    p = 1.0 if gain.p is None else min(1.0, gain.p * ERROR / ERROR_AT_LOOK)
    return at_error(gain, ERROR_AT_LOOK, p)


def next_look(seeds: int) -> int | None:
    """Return how many seeds the next look has; None after the last one."""
    return next((look for look in LOOKS if look > seeds), None)


def look_of(seeds: float) -> float:
    """Return how many seeds the first look with so many has; infinity if none has."""
    return next((look for look in LOOKS if look >= seeds), inf)


def to_confirm(gain: Gain | None, smallest: float) -> dict[str, float | None]:
    """Return the new seeds in all that would detect the smallest gain worth having, and this one.

    Args:
        gain: The gain; None if it is unknown.
        smallest: The smallest gain worth having, as a fraction of 1.

    Returns:
        `seeds for smallest` and `seeds for gain`, as from `kdpipe.report.planning.planned`.
    """
    plan = planned(gain, smallest, ERROR_AT_LOOK)
    return {name: plan[name] for name in COLUMNS if name.startswith("seeds")}
