"""The students and teachers of params.yaml: which models they are, and how they are trained."""

from __future__ import annotations

from typing import Any

from kdpipe.models import names as model_names
from kdpipe.models.own_yaml import check_own
from kdpipe.params.schema import Model, Pair, Params

RECOMMENDED, UNKNOWN = "recommended", "unknown"  # teachers that are no names


def architecture(name: str, model: Model) -> model_names.ModelName:
    """The model of a student or teacher: its `model`, a name or a path, or else its own name.

    Raises:
        ValueError: if it is none that can be distilled.
    """
    found = model_names.read(model.model or name)
    if found.file:
        check_own(found, found.file)
    return found


def candidates(params: Params, pair: Pair) -> list[str]:
    """The teachers that a pair may learn from, by their names under `teachers`."""
    if pair.teacher == UNKNOWN:
        return []
    if pair.teacher != RECOMMENDED:
        return [pair.teacher] if isinstance(pair.teacher, str) else list(pair.teacher)
    student = architecture(pair.student, params.students[pair.student])
    wanted = student.recommended_teacher
    return [n for n, teacher in params.teachers.items() if architecture(n, teacher) == wanted]


def train_arguments(params: Params, model: Model) -> dict[str, Any]:
    """`train`, overridden by what the student or teacher says itself."""
    return {**params.train, **model.train}
