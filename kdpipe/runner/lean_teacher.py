"""A frozen teacher that computes what the distillation loss reads, and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from ultralytics.nn.distill_model import DistillationModel


class ClassScores(nn.Module):
    """A detection head without its boxes: the class scores of each branch, as logits.

    Takes the features of the neck's levels, (batch, channels, height, width) each, and returns
    scores of (batch, classes, all positions) in float32 where Ultralytics' loss looks for them.
    """

    def __init__(self, head: Any) -> None:
        """Take the layers that classify from `head`, and its place in the model."""
        super().__init__()
        self.f, self.i = head.f, head.i
        self.one2many: nn.ModuleList = head.cv3
        self.one2one: nn.ModuleList | None = getattr(head, "one2one_cv3", None)

    def forward(self, features: list[torch.Tensor]) -> dict[str, object]:
        """Classify every position."""
        one2many = _scores(self.one2many, features)
        if self.one2one is None:
            return one2many
        return {"one2many": one2many, "one2one": _scores(self.one2one, features)}


def _scores(layers: nn.ModuleList, features: list[torch.Tensor]) -> dict[str, object]:
    levels = [layer(feature).flatten(2) for layer, feature in zip(layers, features, strict=True)]
    return {"scores": torch.cat(levels, dim=-1).float()}


def make_lean(model: DistillationModel) -> None:
    """Drop the teacher's box branches and its decoding, fuse its normalisation into its convolutions.

    The head is replaced before Ultralytics fuses, because fusing a whole YOLO26 head drops the
    one-to-many branch, which the loss reads. What the loss reads changes by rounding only.
    """
    teacher = model.teacher_model
    layers = teacher.model
    layers[-1] = ClassScores(layers[-1])
    teacher.fuse(verbose=False)
    teacher.requires_grad_(False)
    if model.projector[0][0].weight.device.type != "mps":  # channels-last is wrong there
        teacher.to(memory_format=torch.channels_last)
    # The hook of the old head went with it; Ultralytics has no public call for this.
    model._register_feature_hooks()  # noqa: SLF001
