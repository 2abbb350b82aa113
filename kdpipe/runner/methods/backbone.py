"""`backbone`: features of a pretrained backbone, such as DINOv2 or DINOv3, by their direction.

As Ultralytics' DINOv3 teacher (not released yet): one projector at the end of the student's backbone, the
cosine between features as the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from ultralytics.utils.torch_utils import copy_attr

from kdpipe.models.methods import FEATURES
from kdpipe.runner.methods.model import Lesson, MethodModel
from kdpipe.runner.methods.step import Step
from kdpipe.yolo.backbone import Backbone


class Direction:
    """1 - cosine of the student's projected features and the teacher's, mean over places.

    The teacher's features are scaled to the grid of the student's: (batch, channels, height, width).
    """

    def __init__(self, student: int, teacher: int) -> None:
        """Make a 1x1 convolution from the channels of the student to those of the teacher."""
        self.parts: list[nn.Module] = [nn.Conv2d(student, teacher, kernel_size=1)]

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""
        mine = self.parts[0](step.student[0])
        its = functional.interpolate(step.teacher[0], mine.shape[-2:], mode="bilinear", antialias=True)
        return (1 - functional.cosine_similarity(mine, its, dim=1)).mean()


class BackboneModel(MethodModel):
    """Student and pretrained backbones in training; the backbones are no part of the module."""

    def __init__(self, teachers: Sequence[str], student: Any, settings: Mapping[str, Any]) -> None:
        """Build the projectors.

        Args:
            teachers: .safetensors files.
            student: The student.
            settings: `backbones`, the names of the teachers in timm, and what the pair has of `decay` and
                `teacher_imgsz`.
        """
        nn.Module.__init__(self)
        self.teacher_model: Any = None
        self.student_model = student
        self.feats_idx = self.teacher_feats_idx = [len(student.yaml["backbone"]) - 1, student.model[-1].i]
        self._teacher_feats: dict[int, Any] = {}
        self._student_feats: dict[int, Any] = {}
        self._teacher_hooks: list[Any] = []
        self._student_hooks: list[Any] = []
        self._register_feature_hooks()
        copy_attr(self, student)
        self.dis = student.args.dis
        device = next(student.parameters()).device
        channels = self._channels(student, device)
        models = [
            Backbone(name, Path(path)).to(device)
            for name, path in zip(settings["backbones"], teachers, strict=True)
        ]
        lessons = [Lesson(model, [(0, 0)], Direction(channels, model.channels)) for model in models]
        self._take(lessons, settings)

    def _channels(self, student: Any, device: torch.device) -> int:
        """Channels at the end of the student's backbone."""
        size = int(student.args.imgsz)
        student.eval()
        with torch.no_grad():
            student(torch.zeros(1, student.yaml.get("channels", 3), size, size, device=device))
        student.train()
        return int(self._student_feats[0].shape[1])

    def _seen(self, images: torch.Tensor) -> list[dict[str, Any]]:
        return [{FEATURES: [teacher(self._sized(images))]} for teacher in self.teachers]
