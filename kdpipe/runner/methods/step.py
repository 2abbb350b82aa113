"""What a distillation loss sees of a training step, and what it must offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

Level = tuple[int, int]
"""Channels of a level of the neck: of the student, and of the teacher."""


@dataclass(frozen=True)
class Branch:
    """Raw predictions of a branch of both heads.

    Attributes:
        student: `scores`, logits of shape (batch, classes, positions), and `boxes`, (batch, 4 * reg_max,
            positions), in float32; positions are those of all levels.
        teacher: The same; without `boxes` if the method does not read them.
        weight: Weight of the branch in the detection loss.
    """

    student: dict[str, torch.Tensor]
    teacher: dict[str, torch.Tensor]
    weight: float


@dataclass(frozen=True)
class Step:
    """A batch in training, as student and teacher see it.

    Attributes:
        student: Neck features per level, (batch, channels, height, width), in float32.
        teacher: The same of the teacher.
        branches: Raw predictions: two branches of YOLO26, one of the older families.
        strides: Of these levels in the student's images, in pixels, shape (levels,).
        reg_max: Values per side of a box; 1 is a distance, more are its distribution.
        gains: Ultralytics' arguments with the gains `box`, `cls` and `dfl`.
        key: A number that follows from the epoch and the images of the batch.
    """

    student: Sequence[torch.Tensor]
    teacher: Sequence[torch.Tensor]
    branches: Sequence[Branch]
    strides: torch.Tensor
    reg_max: int
    gains: Any
    key: int


class Loss(Protocol):
    """The loss of a method; `parts` are the modules that it learns, of PyTorch's own classes only."""

    parts: list[nn.Module]

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""


def projector(student: int, teacher: int) -> nn.Module:
    """Return Ultralytics' map of the student's channels to the teacher's: 1x1 convolutions with a ReLU."""
    return nn.Sequential(
        nn.Conv2d(student, teacher, kernel_size=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(teacher, teacher, kernel_size=1),
    )


def standardised(features: torch.Tensor) -> torch.Tensor:
    """Return features, (batch, channels, height, width), with mean 0 and deviation 1 of each channel."""
    over = (0, 2, 3)
    deviation = features.std(over, keepdim=True, correction=0)
    return (features - features.mean(over, keepdim=True)) / (deviation + 1e-6)
