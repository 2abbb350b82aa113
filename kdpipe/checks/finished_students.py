"""Check students that are used as they are, and those that were distilled elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from kdpipe.errors import ParamsError
from kdpipe.models import published
from kdpipe.models.entries import UNKNOWN, architecture
from kdpipe.params.arguments import as_it_is
from kdpipe.params.schema import RELEASED, Model, Pair, Params
from kdpipe.paths import pull_hint, resolve


def check_distilled(key: str, pair: Pair, student: Model) -> None:
    """Refuse a finished student without a finished baseline, and the other way round.

    Args:
        key: Key of the pair in params.yaml.
        pair: The pair.
        student: Its student.

    Raises:
        ParamsError: if there is one.
    """
    finished = as_it_is(student.train)
    if finished and not pair.distilled:
        raise ParamsError(
            f"{key}.distilled",
            f"{pair.student} is used as it is (epochs: 0), so nothing can be distilled into it; "
            f"name the finished distilled student ({RELEASED!r} or a path), or train {pair.student}",
        )
    if pair.distilled and not finished:
        raise ParamsError(
            f"{key}.distilled",
            f"a finished student compares with a finished baseline only; "
            f"set students.{pair.student}.train: {{epochs: 0}} and its init",
        )
    if pair.distilled == RELEASED:
        found = architecture(pair.student, student)
        if str(found) not in published.DISTILLED:
            raise ParamsError(f"{key}.distilled", f"no distilled {found} is released; write a path")
    elif pair.distilled and not (path := resolve(pair.distilled)).is_file():
        raise ParamsError(
            f"{key}.distilled",
            f"{pair.distilled!r} is neither released nor an existing file{pull_hint(path)}",
        )
    if pair.teacher == UNKNOWN and not pair.distilled:
        raise ParamsError(
            f"{key}.teacher", "only a finished student (distilled: ...) may have an unknown one"
        )


def repetitions(params: Params) -> Iterator[ParamsError]:
    """Yield errors for several `dis` or seeds of a finished student, which would be counted several times."""
    finished = next((name for name, pair in params.pairs.items() if pair.distilled), None)
    for axis, values in (("dis", params.sweep.dis), ("seeds", params.sweep.seeds)):
        if finished and len(values) > 1:
            yield ParamsError(
                f"sweep.{axis}",
                f"{values}: the finished student of pairs.{finished} would be counted {len(values)} times; "
                f"write [{values[0]}], and compare trained students in a params.yaml of their own",
            )
