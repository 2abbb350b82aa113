"""The models that can be distilled: names, sizes, heads, and which pairs make sense."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kdpipe.errors import did_you_mean
from kdpipe.tasks import TASKS

FAMILIES = ("yolov8", "yolo11", "yolo26")
SIZES = "nsmlx"
END_TO_END_FAMILIES = ("yolo26",)
HEADS = ("e2e", "nms")
DEFAULT_IMGSZ = 640

# The teacher sizes that Ultralytics pairs in its documentation of knowledge distillation.
RECOMMENDED_TEACHER = {"n": "s", "s": "m", "m": "x", "l": "x"}

_PATTERN = re.compile(rf"(?P<family>{'|'.join(FAMILIES)})(?P<size>[{SIZES}])(?P<suffix>-seg|-pose|-obb)?")


@dataclass(frozen=True)
class ModelName:
    """An Ultralytics model name, taken apart."""

    family: str
    size: str
    task: str

    def __str__(self) -> str:
        """The name as Ultralytics writes it, such as `yolo26n-seg`."""
        return f"{self.family}{self.size}{TASKS[self.task].suffix}"

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that this model can be validated on."""
        return HEADS if self.family in END_TO_END_FAMILIES else ("nms",)

    @property
    def recommended_teacher(self) -> ModelName | None:
        """The published teacher of this student, or None for the largest size."""
        size = RECOMMENDED_TEACHER.get(self.size)
        return ModelName(self.family, size, self.task) if size else None


def parse(name: str) -> ModelName:
    """Take a model name apart.

    Raises:
        ValueError: if it is no model that can be distilled, with the nearest name that is.
    """
    match = _PATTERN.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no model that can be distilled; {did_you_mean(name, names())}")
    task = next(t for t, task in TASKS.items() if task.suffix == (match["suffix"] or ""))
    return ModelName(match["family"], match["size"], task)


def names() -> list[str]:
    """Every model name that `parse` accepts."""
    return [str(ModelName(family, size, task)) for family in FAMILIES for task in TASKS for size in SIZES]


def pairing_problem(student: ModelName, teacher: ModelName) -> str | None:
    """Why this teacher cannot teach this student, or None if it can."""
    if teacher.family != student.family:
        return (
            f"{teacher} is of another family than {student}: their features do not correspond; "
            f"take a teacher of {student.family}"
        )
    if teacher.task != student.task:
        return f"{teacher} solves {teacher.task}, {student} solves {student.task}; take one task"
    if SIZES.index(teacher.size) <= SIZES.index(student.size):
        return f"{teacher} is not larger than {student}; take a larger teacher"
    return None
