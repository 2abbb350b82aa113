"""Check the question of a comparison: its head, what was tried, paired teachers, and confirming seeds."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.models.entries import architecture, paired_teachers
from kdpipe.models.names import HEADS
from kdpipe.params.arguments import as_it_is
from kdpipe.params.schema import METRICS, Params


def question_problems(params: Params) -> Iterator[ParamsError]:
    """Yield what is wrong with `evaluate.primary`, `sweep` and `confirm`, of models that exist."""
    primary = params.evaluate.primary
    if primary.metric not in METRICS:
        yield ParamsError(
            "evaluate.primary.metric", f"{primary.metric!r}: {did_you_mean(primary.metric, METRICS)}"
        )
    if primary.head is not None and primary.head not in HEADS:
        yield ParamsError("evaluate.primary.head", f"{primary.head!r}: {did_you_mean(primary.head, HEADS)}")
    elif primary.head is not None:
        for name, student in params.students.items():
            heads = architecture(name, student).heads
            if primary.head not in heads:
                yield ParamsError(
                    "evaluate.primary.head",
                    f"{primary.head}: {name} has no such head; write {heads[0]}, or omit it",
                )
    for pair, count in params.sweep.tried.items():
        if pair not in params.pairs:
            yield ParamsError(f"sweep.tried.{pair}", f"no such pair; {did_you_mean(pair, params.pairs)}")
        elif count < 1:
            yield ParamsError(f"sweep.tried.{pair}", f"{count}: write how many settings were tried")
    yield from _paired_problems(params)
    yield from _confirm_problems(params)


def _paired_problems(params: Params) -> Iterator[ParamsError]:
    key, paired = "sweep.paired", params.sweep.paired
    for name in paired:
        if name not in params.teachers:
            yield ParamsError(key, f"{name!r} is not under teachers; {did_you_mean(name, params.teachers)}")
        elif as_it_is(params.teachers[name].train):
            yield ParamsError(key, f"{name} is used as it is, so a seed changes nothing; remove it")
    if len(set(paired)) < len(paired):
        yield ParamsError(key, f"{paired} names a teacher twice")


def _confirm_problems(params: Params) -> Iterator[ParamsError]:
    confirm, sweep = params.confirm, params.sweep
    for pair, dis in confirm.pairs.items():
        key = f"confirm.pairs.{pair}"
        if pair not in params.pairs:
            yield ParamsError(key, f"no such pair; {did_you_mean(pair, params.pairs)}")
        elif params.pairs[pair].distilled:
            yield ParamsError(key, "a finished student has no other seeds; remove it")
        if isinstance(dis, bool) or not isinstance(dis, int | float) or not 0 < dis < inf:
            yield ParamsError(key, f"{dis!r} is no weight of a loss; write a number above 0")
    known = [pair for pair in confirm.pairs if pair in params.pairs]
    students = list(dict.fromkeys(params.pairs[pair].student for pair in known))
    if sorted(confirm.students) != sorted(students):
        yield ParamsError("confirm.students", f"write the students of confirm.pairs: {students}")
    if sorted(confirm.paired) != sorted(paired := paired_teachers(params, known)):
        yield ParamsError("confirm.paired", f"write those of sweep.paired that confirm.pairs use: {paired}")
    if used := sorted(set(confirm.seeds) & set(sweep.seeds)):
        yield ParamsError("confirm.seeds", f"{used} are in sweep.seeds too; write seeds that were never used")
    if len(set(confirm.seeds)) < len(confirm.seeds):
        yield ParamsError("confirm.seeds", f"{confirm.seeds} names a value twice")
