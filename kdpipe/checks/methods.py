"""Check the distillation method of a pair: its name, its options, and what the student's head must have."""

from __future__ import annotations

from collections.abc import Iterator

from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.models.methods import DECAYS, METHODS, O2M, STOP
from kdpipe.models.names import END_TO_END_FAMILIES, ModelName
from kdpipe.params.schema import Pair

PARTS = 2  # of features+predictions
MOST_BETA = 10.0


def method_problems(key: str, pair: Pair, student: ModelName) -> Iterator[ParamsError]:
    """Yield what is wrong with the method, decay, beta and weights of a pair.

    Args:
        key: The pair in params.yaml, such as `pairs.n-s`.
        pair: The pair.
        student: The student's architecture.
    """
    method = METHODS.get(pair.method)
    if method is None:
        yield ParamsError(f"{key}.method", f"{pair.method!r}: {did_you_mean(pair.method, METHODS)}")
        return
    if student.family not in method.families:
        good = [name for name, other in METHODS.items() if student.family in other.families]
        yield ParamsError(
            f"{key}.method",
            f"{pair.method} compares {method.about}, which {student.family} does not predict; "
            f"choose from {', '.join(good)}",
        )
    for option in ("beta", "weights"):
        if getattr(pair, option) is not None and option not in method.options:
            good = [name for name, other in METHODS.items() if option in other.options]
            yield ParamsError(f"{key}.{option}", f"{pair.method} has none; only {', '.join(good)} have it")
    if pair.beta is not None and not 0 <= pair.beta <= MOST_BETA:
        yield ParamsError(f"{key}.beta", f"{pair.beta!r}: write a number from 0 to {MOST_BETA:g}")
    weights = pair.weights
    if weights is not None and (len(weights) != PARTS or not all(0 <= one < float("inf") for one in weights)):
        yield ParamsError(f"{key}.weights", f"{weights}: write two numbers, of features and predictions")
    yield from _decay(f"{key}.decay", pair.decay, student)


def _decay(key: str, decay: object, student: ModelName) -> Iterator[ParamsError]:
    choices = f"{', '.join(DECAYS)} or {{{STOP}: 0.7}}"
    if isinstance(decay, dict):
        share = decay.get(STOP)
        good = isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1
        if list(decay) != [STOP] or not good:
            yield ParamsError(
                key, f"{decay}: write {choices}; {STOP} is a share of the epochs, above 0 and up to 1"
            )
    elif decay not in DECAYS:
        yield ParamsError(key, f"{decay!r}: write {choices}")
    elif decay == O2M and student.family not in END_TO_END_FAMILIES:
        yield ParamsError(
            key, f"{student.family} has no one-to-many branch beside another; write another decay"
        )
