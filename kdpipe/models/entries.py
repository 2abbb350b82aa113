"""Entries under `students`, `teachers` and `pairs` in params.yaml: their models and train arguments."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kdpipe.models import names as model_names
from kdpipe.models.own_yaml import check_own
from kdpipe.params.schema import CONSTANT, L2, Model, Pair, Params

RECOMMENDED, UNKNOWN = "recommended", "unknown"  # values of `teacher` that are not names
ALL = "all"  # key of several teachers at once
AND = " + "  # between the names of several teachers


def architecture(name: str, model: Model) -> model_names.ModelName:
    """The model of a student or teacher, given by its `model` key or else by the name of the entry.

    Raises:
        ValueError: if the model cannot be distilled.
    """
    found = model_names.read(model.model or name)
    if found.file:
        check_own(found, found.file)
    return found


def candidates(params: Params, pair: Pair) -> list[str]:
    """Names of the teachers that a pair may use, as under `teachers`."""
    if pair.teacher == UNKNOWN:
        return []
    if at_once(pair):
        return list(pair.teacher[ALL])
    if pair.teacher != RECOMMENDED:
        return [pair.teacher] if isinstance(pair.teacher, str) else list(pair.teacher)
    student = architecture(pair.student, params.students[pair.student])
    wanted = student.recommended_teacher
    return [n for n, teacher in params.teachers.items() if architecture(n, teacher) == wanted]


def paired_teachers(params: Params, pairs: Collection[str]) -> list[str]:
    """Those of `sweep.paired` that the students of these pairs may learn from, or start from."""
    used = {name for pair in pairs for name in candidates(params, params.pairs[pair])}
    used |= {str(params.students[params.pairs[pair].student].starts_from) for pair in pairs}
    return [name for name in params.sweep.paired if name in used]


def at_once(pair: Pair) -> bool:
    """Whether the student learns from several teachers at once."""
    return isinstance(pair.teacher, dict)


def method_settings(params: Params, pair: Pair) -> dict[str, Any] | None:
    """Method, decay and options of a pair; None for Ultralytics' own loss: one teacher, a constant weight."""
    options = {name: getattr(pair, name) for name in ("decay", "beta", "weights", "teacher_imgsz")}
    teachers = [architecture(name, params.teachers[name]) for name in candidates(params, pair)]
    options["backbones"] = [teacher.backbone for teacher in teachers if teacher.backbone] or None
    given = {name: value for name, value in options.items() if value not in (None, CONSTANT)}
    return {"method": pair.method, **given} if given or pair.method != L2 or at_once(pair) else None


def train_arguments(params: Params, model: Model) -> dict[str, Any]:
    """Train arguments of a student or teacher: `train`, updated with its own."""
    return {**params.train, **model.train}
