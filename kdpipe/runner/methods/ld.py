"""`ld`: Z. Zheng et al., "Localization Distillation for Dense Object Detection",
https://arxiv.org/abs/2102.12252. YOLOv8 and YOLO11 only: YOLO26 predicts sides, not their distribution.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from kdpipe.runner.methods.predictions import SURE
from kdpipe.runner.methods.step import Step

TEMPERATURE = 10.0


class Distributions:
    """Divergence of the distributions of the four sides where the teacher is sure of an object.

    sum of c * mean over sides of KL(softmax(T / tau), softmax(S / tau)) * tau^2 / sum of c, with c the
    teacher's highest class score where it is above 0.05; tau is 10.
    """

    def __init__(self) -> None:
        """Make nothing: this loss does not learn."""
        self.parts: list[nn.Module] = []

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar: the sum over branches."""
        total = step.teacher[0].new_zeros(())
        for branch in step.branches:
            sureness = branch.teacher["scores"].sigmoid().amax(1)
            sure = sureness > SURE
            mine, its = (
                _sides(side["boxes"], step.reg_max)[sure] / TEMPERATURE
                for side in (branch.student, branch.teacher)
            )
            divergence = functional.kl_div(
                mine.log_softmax(-1), its.log_softmax(-1), log_target=True, reduction="none"
            )
            per_place = divergence.sum(-1).mean(-1) * TEMPERATURE**2
            weights = sureness[sure]
            total = total + branch.weight * (per_place * weights).sum() / weights.sum().clamp(min=1e-9)
        return total


def _sides(boxes: torch.Tensor, reg_max: int) -> torch.Tensor:
    """Logits of the distributions: (batch, 4 * reg_max, n) -> (batch, n, 4, reg_max)."""
    batch, _, places = boxes.shape
    return boxes.transpose(1, 2).reshape(batch, places, 4, reg_max)
