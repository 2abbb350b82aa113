"""Ultralytics' pair of student and teacher, with the loss of another method than its own."""

from __future__ import annotations

import copyreg
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from ultralytics.nn.distill_model import DistillationModel

from kdpipe.models.methods import FEATURES
from kdpipe.params.schema import CONSTANT
from kdpipe.runner.methods import loss_of
from kdpipe.runner.methods.decay import factor
from kdpipe.runner.methods.levels import matching, raw
from kdpipe.runner.methods.step import Branch, Loss, Step

OWN = ("lessons", "larger", "decay", "epoch", "epochs")  # attributes that copies and checkpoints do not have
BRANCHES = {"one2many": "o2m", "one2one": "o2o"}  # of YOLO26, and their weights in the detection loss


@dataclass(frozen=True)
class Lesson:
    """What the student learns from one teacher.

    Attributes:
        teacher: The frozen teacher; called with images once it is lean (`kdpipe/runner/lean_teacher.py`).
        levels: Levels of the necks of student and teacher that see the same places.
        loss: The loss.
    """

    teacher: Any
    levels: Sequence[tuple[int, int]]
    loss: Loss


class MethodModel(DistillationModel):
    """Student and frozen teachers in training.

    Copies (the moving average) and checkpoints are of Ultralytics' class, so that they open without kdpipe;
    what a method learns is in `projector`, which Ultralytics restores after NaN.
    """

    def __init__(self, teachers: Sequence[str], student: Any, settings: Mapping[str, Any]) -> None:
        """Build the projectors of the method.

        Args:
            teachers: Checkpoints of the teacher, or of several, whose losses are averaged.
            student: The student.
            settings: `method`, and what the pair has of `decay`, `beta`, `weights` and `teacher_imgsz`.
        """
        others = [DistillationModel(path, student) for path in teachers[1:]]
        for other in others:
            other._remove_feature_hooks()  # noqa: SLF001
        super().__init__(teachers[0], student)
        self.projector: nn.ModuleList
        self._take([self._lesson(model, settings) for model in (self, *others)], settings)

    def _take(self, lessons: list[Lesson], settings: Mapping[str, Any]) -> None:
        """Take lessons, and what they learn as a part of this module."""
        self.lessons = lessons
        parts = [part for lesson in lessons for part in lesson.loss.parts]
        self.projector = nn.ModuleList(parts).to(next(self.student_model.parameters()).device)
        self.larger = _larger(self.student_model, settings)
        self.decay = settings.get("decay", CONSTANT)
        self.begin(0, 1)

    def _lesson(self, model: DistillationModel, settings: Mapping[str, Any]) -> Lesson:
        """Match student and teacher as Ultralytics has built them."""
        teacher: Any = model.teacher_model
        larger = _larger(self.student_model, settings)
        levels = matching(_strides(self.student_model), _strides(teacher), larger)
        projectors: list[Any] = list(model.projector)
        channels = [
            (projectors[mine][0].in_channels, projectors[its][0].out_channels) for mine, its in levels
        ]
        return Lesson(teacher, levels, loss_of(settings, channels))

    @property
    def teachers(self) -> list[Any]:
        """The frozen teachers; only the first is a part of this module."""
        return [lesson.teacher for lesson in self.lessons]

    def begin(self, epoch: int, epochs: int) -> None:
        """Begin an epoch, counted from 0, of so many."""
        self.epoch, self.epochs = epoch, epochs

    def loss(self, batch: dict[str, Any], preds: Any = None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the student's losses and the distillation loss, times the images, and each for the log.

        Args:
            batch: Images and labels.
            preds: Predictions of the student, in validation only; nothing is distilled there.
        """
        if not self.training:
            loss: tuple[torch.Tensor, dict[str, torch.Tensor]] = super().loss(batch, preds)
            return loss
        self._teacher_feats.clear()
        self._student_feats.clear()
        weight = self.dis * factor(self.decay, self.epoch, self.epochs)
        seen = self._seen(batch["img"]) if weight else []
        predictions = self.student_model(batch["img"])
        own, items = self.student_model.loss(batch, predictions)
        total = own.new_zeros(1)
        if weight:
            steps = (
                self._step(batch, predictions, lesson, outputs)
                for lesson, outputs in zip(self.lessons, seen, strict=True)
            )
            losses = [lesson.loss(step) for lesson, step in zip(self.lessons, steps, strict=True)]
            total = total + weight * torch.stack(losses).mean()
        items["dis_loss"] = total.detach()
        return torch.cat([own, total * batch["img"].shape[0]]), items

    @torch.no_grad()
    def _seen(self, images: torch.Tensor) -> list[dict[str, Any]]:
        """What each teacher computes of the images."""
        images = self._sized(images)
        return [teacher(images) for teacher in self.teachers]

    def _sized(self, images: torch.Tensor) -> torch.Tensor:
        """Return images at the size at which teachers see them."""
        if self.larger == 1:
            return images
        return functional.interpolate(images, scale_factor=self.larger, mode="bilinear", antialias=True)

    def _step(self, batch: dict[str, Any], predictions: Any, lesson: Lesson, outputs: dict[str, Any]) -> Step:
        """Return a batch as the student and one teacher see it.

        Args:
            batch: Images and labels.
            predictions: Predictions of the student.
            lesson: How it learns from this teacher.
            outputs: What the teacher computed.
        """
        mine, its = zip(*lesson.levels, strict=True)
        grids = [self._student_feats[level] for level in range(len(self.feats_idx) - 1)]
        key = f"{self.epoch} {' '.join(batch.get('im_file', ()))}"
        head = self.student_model.model[-1]
        return Step(
            student=[grids[level].float() for level in mine],
            teacher=[outputs[FEATURES][level].float() for level in its],
            branches=[
                Branch(raw(student, grids, mine), raw(teacher, outputs[FEATURES], its), weight)
                for student, teacher, weight in self._branches(predictions, outputs)
            ],
            strides=head.stride[list(mine)],
            reg_max=head.reg_max,
            gains=self.student_model.args,
            key=zlib.crc32(key.encode()),
        )

    def _branches(self, student: Any, teacher: dict[str, Any]) -> list[tuple[Any, Any, float]]:
        """Predictions of student and teacher per branch, and the branch's weight in the detection loss."""
        if teacher.keys() == {FEATURES}:
            return []
        student = student[1] if isinstance(student, tuple) else student
        if "one2many" not in student:
            return [(student, teacher, 1.0)]
        criterion = self.student_model.criterion
        return [
            (student[name], teacher[name], float(getattr(criterion, weight)))
            for name, weight in BRANCHES.items()
        ]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of Ultralytics' class."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in OWN}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Copy and store it as Ultralytics' class."""
        return copyreg.__newobj__, (DistillationModel,), self.__getstate__()  # type: ignore[attr-defined]


def _larger(student: Any, settings: Mapping[str, Any]) -> float:
    """How many times larger the teacher's images are."""
    imgsz = int(student.args.imgsz)
    return int(settings.get("teacher_imgsz", imgsz)) / imgsz


def _strides(model: Any) -> list[float]:
    return [float(stride) for stride in model.model[-1].stride]
