"""Models that can be distilled: names, sizes, heads, and valid pairs."""

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

# Student size -> teacher size, from Ultralytics' documentation of knowledge distillation.
RECOMMENDED_TEACHER = {"n": "s", "s": "m", "m": "x", "l": "x"}

# Feature pyramid levels by variant; the standard models use P3 to P5.
LEVELS = {"": (3, 5), "-p2": (2, 5), "-p6": (3, 6)}  # first and last level
VARIANTS = {
    ("yolov8", "detect"): ("-p2", "-p6"),
    ("yolov8", "segment"): ("-p6",),
    ("yolov8", "pose"): ("-p6",),
    ("yolo26", "detect"): ("-p2", "-p6"),
}
YAML = ".yaml"  # suffix of a path to a model yaml of the user
TIMM = "timm/"  # before the name of a pretrained backbone
NOT_DISTILLED = {"-cls": "classify", "-sem": "semantic", "-depth": "depth"}

_PATTERN = re.compile(
    rf"(?P<family>{'|'.join(FAMILIES)})(?P<size>[{SIZES}])(?P<suffix>-seg|-pose|-obb)?(?P<variant>-p2|-p6)?"
)


@dataclass(frozen=True)
class ModelName:
    """A parsed Ultralytics model name.

    `file` is the user's model yaml, if the model is built from one. `backbone` is the name in timm of a
    pretrained backbone without a head, which can only teach; it has no family, size and task.
    """

    family: str
    size: str
    task: str
    variant: str = ""
    file: str | None = None
    backbone: str | None = None

    def __str__(self) -> str:
        """The name as in Ultralytics, such as `yolo26n-seg`, `timm/NAME`, or the path of the model yaml."""
        if self.backbone:
            return f"{TIMM}{self.backbone}"
        return self.file or f"{self.family}{self.size}{TASKS[self.task].suffix}{self.variant}"

    @property
    def stem(self) -> str:
        """Name of its model yaml, without the suffix."""
        return PurePath(self.file).stem if self.file else str(self)

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads on which the model can be validated."""
        if self.backbone:
            return ()
        return HEADS if self.family in END_TO_END_FAMILIES else ("nms",)

    @property
    def levels(self) -> str:
        """Feature pyramid levels of its head, for messages."""
        return "P{} to P{}".format(*LEVELS[self.variant])

    @property
    def stride(self) -> int:
        """Pixels of the image, in each direction, per cell of the coarsest level."""
        return int(2 ** LEVELS[self.variant][-1])

    @property
    def recommended_teacher(self) -> ModelName | None:
        """The teacher that Ultralytics recommends, or None for the largest size."""
        size = RECOMMENDED_TEACHER.get(self.size)
        return ModelName(self.family, size, self.task, self.variant) if size else None


def preferred_head(heads: Container[str]) -> str:
    """Head that selects the best `dis` and the best seed: e2e if available, else nms."""
    return next(head for head in HEADS if head in heads)


def parse(name: str) -> ModelName:
    """Parse a model name.

    Raises:
        ValueError: if the model cannot be distilled; suggests the nearest name that can.
    """
    match = _PATTERN.fullmatch(name)
    found = _model_name(match) if match else None
    if found is None or found.variant not in ("", *VARIANTS.get((found.family, found.task), ())):
        task = next((task for suffix, task in NOT_DISTILLED.items() if name.endswith(suffix)), None)
        reason = f"Ultralytics does not distil {task}; " if task else ""
        raise ValueError(f"{name!r} is no model that can be distilled; {reason}{did_you_mean(name, names())}")
    return found


def read(written: str) -> ModelName:
    """Parse a model name, the path of a model yaml, or `timm/` and the name of a backbone.

    Raises:
        ValueError: if the model cannot be distilled.
    """
    if written.startswith(TIMM):
        return of_backbone(written)
    return of_file(written) if written.endswith(YAML) else parse(written)


def of_backbone(written: str) -> ModelName:
    """Return a backbone of timm, from `timm/` and its name."""
    return ModelName("", "", "", backbone=written.removeprefix(TIMM))


def of_file(path: str) -> ModelName:
    """Derive the model from the file name of a model yaml: `yolo26n-mine.yaml` is a yolo26n.

    Raises:
        ValueError: if the file name does not begin with the name of an Ultralytics model.
    """
    stem = PurePath(path).stem
    match = _PATTERN.match(stem)
    if match is None or stem[match.end() :][:1] not in ("", "-", "_"):
        raise ValueError(
            f"{path!r}: the name must begin with the model that it changes, such as yolo26n-mine.yaml"
        )
    return replace(_model_name(match), file=path)


def names() -> list[str]:
    """All model names that `parse` accepts."""
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
    """Reason why the teacher cannot teach the student, or None if it can."""
    if teacher.backbone:
        return None
    if teacher.family != student.family:
        return (
            f"{teacher} is of another family than {student}: their features do not correspond; "
            f"take a teacher of {student.family}"
        )
    if teacher.task != student.task:
        return f"{teacher} solves {teacher.task}, {student} solves {student.task}; take one task"
    if teacher.variant != student.variant:
        return f"{teacher} has features of {teacher.levels}, {student} of {student.levels}; take one kind"
    if SIZES.index(teacher.size) < SIZES.index(student.size):
        return f"{teacher} is smaller than {student}; take a teacher of its size or a larger one"
    return None
