"""`mgd`: Z. Yang et al., "Masked Generative Distillation", https://arxiv.org/abs/2205.01529."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from kdpipe.runner.methods.step import Level, Step

MASKED = 0.65  # share of the places that is masked
SCALE = 2e-5  # of the sum of squares, as published


class Masked:
    """Neck features of the teacher, restored from those of the student with most places masked.

    Per level: sum of (G(mask * A(S)) - T)^2 / batch * 2e-5; A is a 1x1 convolution, G two 3x3 convolutions
    with a ReLU. The mask follows from epoch and images, so that a continued training has the same.
    """

    def __init__(self, levels: Sequence[Level]) -> None:
        """Make, per level, the 1x1 convolution and what restores the features."""
        made = [(_align(student, teacher), _restore(teacher)) for student, teacher in levels]
        self.parts = [part for of_level in made for part in of_level]

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar: the sum over levels."""
        random = torch.Generator().manual_seed(step.key)
        total = step.teacher[0].new_zeros(())
        levels = zip(self.parts[::2], self.parts[1::2], step.student, step.teacher, strict=True)
        for align, restore, student, teacher in levels:
            batch, _, height, width = student.shape
            mask = torch.rand((batch, 1, height, width), generator=random) > MASKED
            restored = restore(align(student) * mask.to(student.device, student.dtype))
            total = total + functional.mse_loss(restored, teacher, reduction="sum") / batch * SCALE
        return total


def _align(student: int, teacher: int) -> nn.Module:
    return nn.Conv2d(student, teacher, kernel_size=1)


def _restore(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
    )
