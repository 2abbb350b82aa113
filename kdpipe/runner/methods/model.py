"""Ultralytics' pair of student and teacher, with the loss of another method than its own."""

from __future__ import annotations

import copyreg
import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from ultralytics.nn.distill_model import DistillationModel

from kdpipe.params.schema import CONSTANT
from kdpipe.runner.methods import loss_of
from kdpipe.runner.methods.decay import factor
from kdpipe.runner.methods.step import Branch, Step

OWN = ("distillation", "decay", "epoch", "epochs")  # attributes that copies and checkpoints do not have
BRANCHES = {"one2many": "o2m", "one2one": "o2o"}  # of YOLO26, and their weights in the detection loss
RAW = ("scores", "boxes")


class MethodModel(DistillationModel):
    """Student and frozen teacher in training.

    Copies (the moving average) and checkpoints are of Ultralytics' class, so that they open without kdpipe;
    what a method learns is in `projector`, which Ultralytics restores after NaN.
    """

    def __init__(self, teacher: str, student: nn.Module, settings: Mapping[str, Any]) -> None:
        """Build the projector of the method.

        Args:
            teacher: The teacher's checkpoint.
            student: The student.
            settings: `method`, and what the pair has of `decay`, `beta` and `weights`.
        """
        super().__init__(teacher, student)
        self.projector: nn.ModuleList
        own: list[Any] = list(self.projector)
        levels = [(part[0].in_channels, part[0].out_channels) for part in own]
        self.distillation = loss_of(settings, levels)
        self.decay = settings.get("decay", CONSTANT)
        device = next(student.parameters()).device
        self.projector = nn.ModuleList(self.distillation.parts).to(device)
        self.begin(0, 1)

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
        if weight:
            with torch.no_grad():
                self.teacher_model(batch["img"])
        predictions = self.student_model(batch["img"])
        own, items = self.student_model.loss(batch, predictions)
        total = own.new_zeros(1)
        if weight:
            total = total + weight * self.distillation(self._step(batch, predictions))
        items["dis_loss"] = total.detach()
        return torch.cat([own, total * batch["img"].shape[0]]), items

    def _step(self, batch: dict[str, Any], predictions: Any) -> Step:
        """What hooks and predictions have of this batch, in float32."""
        levels = range(len(self.feats_idx) - 1)
        key = f"{self.epoch} {' '.join(batch.get('im_file', ()))}"
        return Step(
            student=[self._student_feats[level].float() for level in levels],
            teacher=[self._teacher_feats[level].float() for level in levels],
            branches=self._branches(predictions, self._teacher_feats[len(levels)]),
            head=self.student_model.model[-1],
            gains=self.student_model.args,
            key=zlib.crc32(key.encode()),
        )

    def _branches(self, student: Any, teacher: Any) -> list[Branch]:
        if not teacher:  # the method reads features only
            return []
        student, teacher = (given[1] if isinstance(given, tuple) else given for given in (student, teacher))
        if "one2many" not in student:
            return [Branch(_raw(student), _raw(teacher), 1.0)]
        criterion = self.student_model.criterion
        return [
            Branch(_raw(student[name]), _raw(teacher[name]), float(getattr(criterion, weight)))
            for name, weight in BRANCHES.items()
        ]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of Ultralytics' class."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in OWN}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Copy and store it as Ultralytics' class."""
        return copyreg.__newobj__, (DistillationModel,), self.__getstate__()  # type: ignore[attr-defined]


def _raw(predictions: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: predictions[name].float() for name in RAW if name in predictions}
