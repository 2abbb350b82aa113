"""`pkd`: W. Cao et al., "PKD: General Distillation Framework for Object Detectors via Pearson Correlation
Coefficient", https://arxiv.org/abs/2207.02039.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from kdpipe.runner.methods.step import Level, Step, projector, standardised


class Standardised:
    """Half the mean squared difference of neck features, standardised per channel over batch and places.

    Which is 1 - the correlation of student and teacher, whatever the scale of their features.
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        """Make a projector per level."""
        self.parts: list[nn.Module] = [projector(*level) for level in levels]

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar: the sum over levels."""
        levels = zip(self.parts, step.student, step.teacher, strict=True)
        return torch.stack(
            [
                functional.mse_loss(standardised(part(student)), standardised(teacher)) / 2
                for part, student, teacher in levels
            ]
        ).sum()
