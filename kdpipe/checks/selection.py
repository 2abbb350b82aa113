"""Check that a student can start from the teacher that params.yaml names."""

from __future__ import annotations

from kdpipe.checks.passed import passed_file, remember
from kdpipe.errors import KdpipeError, ParamsError, did_you_mean
from kdpipe.models.entries import architecture
from kdpipe.models.own_yaml import own_digest
from kdpipe.params.schema import FROM, Params

LEAST = 0.9  # share of a student's weights that its teacher must have


def check_start(params: Params, student: str) -> None:
    """Refuse a student of too few weights that its teacher has, unless the same two have passed before.

    Raises:
        ParamsError: with the numbers, or if there is no such teacher.
    """
    teacher = params.students[student].starts_from
    if teacher is None:
        return
    key = f"students.{student}.init.{FROM}"
    if teacher not in params.teachers:
        hint = did_you_mean(teacher, params.teachers)
        raise ParamsError(key, f"{teacher!r} is not under teachers; {hint}")
    small = architecture(student, params.students[student])
    large = architecture(teacher, params.teachers[teacher])
    if large.family != small.family:
        raise ParamsError(key, f"{large} is of another family than {small}; name a teacher of {small.family}")
    passed = passed_file("selection", str(small), own_digest(small), str(large), own_digest(large))
    if passed.exists():
        return
    from kdpipe.yolo.selection import share_of

    try:
        share = share_of(small, large)
    except KdpipeError as error:
        raise ParamsError(key, str(error)) from error
    if share.of_all < LEAST:
        raise ParamsError(
            key,
            f"{large} has only {share} of {small}; at least {LEAST:.0%} must be there: name another teacher, "
            "or write init: scratch",
        )
    remember(passed)
