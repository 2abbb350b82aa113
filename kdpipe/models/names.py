"""The models that can be distilled: names, sizes, heads, and which pairs make sense."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import PurePath

from kdpipe.errors import did_you_mean
from kdpipe.models.tasks import TASKS

FAMILIES = ("yolov8", "yolo11", "yolo26")
SIZES = "nsmlx"
END_TO_END_FAMILIES = ("yolo26",)
HEADS = ("e2e", "nms")
DEFAULT_IMGSZ = 640

# The teacher sizes that Ultralytics pairs in its documentation of knowledge distillation.
RECOMMENDED_TEACHER = {"n": "s", "s": "m", "m": "x", "l": "x"}

# Architectures whose features come from other levels of the pyramid than P3, P4 and P5.
LEVELS = {"": (3, 5), "-p2": (2, 5), "-p6": (3, 6)}  # the first and the last
VARIANTS = {
    ("yolov8", "detect"): ("-p2", "-p6"),
    ("yolov8", "segment"): ("-p6",),
    ("yolov8", "pose"): ("-p6",),
    ("yolo26", "detect"): ("-p2", "-p6"),
}
YAML = ".yaml"  # the suffix by which the path of an own model is known
NOT_DISTILLED = {"-cls": "classify", "-sem": "semantic", "-depth": "depth"}

_PATTERN = re.compile(
    rf"(?P<family>{'|'.join(FAMILIES)})(?P<size>[{SIZES}])(?P<suffix>-seg|-pose|-obb)?(?P<variant>-p2|-p6)?"
)


@dataclass(frozen=True)
class ModelName:
    """An Ultralytics model name, taken apart; `file` is the user's own model yaml of that kind."""

    family: str
    size: str
    task: str
    variant: str = ""
    file: str | None = None

    def __str__(self) -> str:
        """The name as Ultralytics writes it, such as `yolo26n-seg`; or the path of the own yaml."""
        return self.file or f"{self.family}{self.size}{TASKS[self.task].suffix}{self.variant}"

    @property
    def stem(self) -> str:
        """The name of its model yaml, without the suffix."""
        return PurePath(self.file).stem if self.file else str(self)

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that this model can be validated on."""
        return HEADS if self.family in END_TO_END_FAMILIES else ("nms",)

    @property
    def levels(self) -> str:
        """The levels of the pyramid that its head takes, in words."""
        return "P{} to P{}".format(*LEVELS[self.variant])

    @property
    def recommended_teacher(self) -> ModelName | None:
        """The published teacher of this student, or None for the largest size."""
        size = RECOMMENDED_TEACHER.get(self.size)
        return ModelName(self.family, size, self.task, self.variant) if size else None


def preferred_head(heads: Container[str]) -> str:
    """The head by which the best `dis` and the best seed are chosen: e2e where there is one."""
    return next(head for head in HEADS if head in heads)


def parse(name: str) -> ModelName:
    """Take a model name apart.

    Raises:
        ValueError: if it is no model that can be distilled, with the nearest name that is.
    """
    match = _PATTERN.fullmatch(name)
    found = _model_name(match) if match else None
    if found is None or found.variant not in ("", *VARIANTS.get((found.family, found.task), ())):
        task = next((task for suffix, task in NOT_DISTILLED.items() if name.endswith(suffix)), None)
        reason = f"Ultralytics does not distil {task}; " if task else ""
        raise ValueError(f"{name!r} is no model that can be distilled; {reason}{did_you_mean(name, names())}")
    return found


def read(written: str) -> ModelName:
    """What is behind a model's name, or behind the path of the user's own yaml.

    Raises:
        ValueError: if it is no model that can be distilled.
    """
    return of_file(written) if written.endswith(YAML) else parse(written)


def of_file(path: str) -> ModelName:
    """What a model yaml of the user is, by its name: `yolo26n-mine.yaml` is a yolo26n.

    Raises:
        ValueError: if its name does not begin as one of Ultralytics' models.
    """
    stem = PurePath(path).stem
    match = _PATTERN.match(stem)
    if match is None or stem[match.end() :][:1] not in ("", "-", "_"):
        raise ValueError(
            f"{path!r}: the name must begin with the model that it changes, such as yolo26n-mine.yaml"
        )
    return replace(_model_name(match), file=path)


def names() -> list[str]:
    """Every model name that `parse` accepts."""
    return [
        str(ModelName(family, size, task, variant))
        for family in FAMILIES
        for task in TASKS
        for variant in ("", *VARIANTS.get((family, task), ()))
        for size in SIZES
    ]


def _model_name(match: re.Match[str]) -> ModelName:
    task = next(t for t, task in TASKS.items() if task.suffix == (match["suffix"] or ""))
    return ModelName(match["family"], match["size"], task, match["variant"] or "")


def pairing_problem(student: ModelName, teacher: ModelName) -> str | None:
    """Why this teacher cannot teach this student, or None if it can."""
    if teacher.family != student.family:
        return (
            f"{teacher} is of another family than {student}: their features do not correspond; "
            f"take a teacher of {student.family}"
        )
    if teacher.task != student.task:
        return f"{teacher} solves {teacher.task}, {student} solves {student.task}; take one task"
    if teacher.variant != student.variant:
        return f"{teacher} has features of {teacher.levels}, {student} of {student.levels}; take one kind"
    if SIZES.index(teacher.size) <= SIZES.index(student.size):
        return f"{teacher} is not larger than {student}; take a larger teacher"
    return None
