"""`l2`: Ultralytics' own loss (docs.ultralytics.com/guides/knowledge-distillation, `nn/distill_model.py`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from kdpipe.runner.methods.step import Level, Step, projector


class WeightedL2:
    """Squared differences of projected neck features, weighted by the teacher's highest class score.

    Per level: sum over places p of w(p) * sum over channels c of (P(S)[c, p] - T[c, p])^2, divided by
    C * sum w(p), with w = max over classes of sigmoid(mean of the branches' scores).
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        """Make a projector per level."""
        self.parts: list[nn.Module] = [projector(*level) for level in levels]

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""
        scores = torch.stack([branch.teacher["scores"] for branch in step.branches]).mean(0)
        places = [features.shape[-2] * features.shape[-1] for features in step.teacher]
        weights = [level.sigmoid().amax(1, keepdim=True) for level in scores.split_with_sizes(places, dim=-1)]
        total = step.teacher[0].new_zeros(())
        levels = zip(self.parts, step.student, step.teacher, weights, strict=True)
        for part, student, teacher, weight in levels:
            squares = (part(student).flatten(2) - teacher.flatten(2)) ** 2
            total = total + (squares * weight).sum() / (weight.sum() * teacher.shape[1] + 1e-9)
        return total
