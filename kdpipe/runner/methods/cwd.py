"""`cwd`: C. Shu et al., "Channel-wise Knowledge Distillation for Dense Prediction",
https://arxiv.org/abs/2011.13256, as in RTMDet's recipe: https://arxiv.org/abs/2212.07784.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from kdpipe.runner.methods.step import Level, Step, standardised

TEMPERATURE = 1.0


class ChannelWise:
    """Divergence of where in the image each channel of the neck is active.

    Per level and channel: KL(softmax over places of T / tau, the same of P(S)) * tau^2, mean over channels
    and images. Both sides are standardised, the student's after a 1x1 convolution P.
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        """Make a 1x1 convolution per level."""
        self.parts: list[nn.Module] = [nn.Conv2d(*level, kernel_size=1) for level in levels]

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar: the sum over levels."""
        total = step.teacher[0].new_zeros(())
        for part, student, teacher in zip(self.parts, step.student, step.teacher, strict=True):
            mine, its = (
                (standardised(features).flatten(2) / TEMPERATURE).log_softmax(-1)
                for features in (part(student), teacher)
            )
            divergence = functional.kl_div(mine, its, log_target=True, reduction="none").sum(-1)
            total = total + divergence.mean() * TEMPERATURE**2
        return total
