"""Check the distillation method of a pair: its name, its options, and what the student's head must have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.models.methods import DECAYS, METHODS, O2M, STOP
from kdpipe.models.names import END_TO_END_FAMILIES, ModelName
from kdpipe.params.schema import Pair

PARTS = 2  # of features+predictions
MOST_BETA = 10.0
RATIOS = (0.25, 0.5, 1, 2, 4)  # of image sizes at which strides 8, 16 and 32 meet
STRIDE = 32


def method_problems(key: str, pair: Pair, student: ModelName, imgsz: Any) -> Iterator[ParamsError]:
    """Yield what is wrong with the method of a pair and its options.

    Args:
        key: The pair in params.yaml, such as `pairs.n-s`.
        pair: The pair.
        student: The student's architecture.
        imgsz: Image size of the student in pixels.
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
    if pair.teacher_imgsz is not None and isinstance(imgsz, int):
        good_sizes = [int(imgsz * ratio) for ratio in RATIOS if imgsz * ratio % STRIDE == 0]
        if pair.teacher_imgsz not in good_sizes:
            yield ParamsError(
                f"{key}.teacher_imgsz",
                f"{pair.teacher_imgsz}: no level of the teacher's neck has the grid of one of the student's "
                f"at imgsz {imgsz}; choose from {', '.join(map(str, good_sizes))}",
            )
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
