"""`features+predictions`: a sum of losses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from kdpipe.runner.methods.step import Level, Loss, Step


class Sum:
    """The weighted sum of losses."""

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float]) -> None:
        """Take the losses and their weights, one each."""
        self._losses, self._weights = losses, weights
        self._counts: list[int] = []

    def parts(self, levels: Sequence[Level]) -> list[nn.Module]:
        """Return what the losses learn, one after another."""
        found = [loss.parts(levels) for loss in self._losses]
        self._counts = [len(parts) for parts in found]
        return [part for parts in found for part in parts]

    def __call__(self, step: Step, parts: Sequence[nn.Module]) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""
        total, first = step.teacher[0].new_zeros(()), 0
        for loss, weight, count in zip(self._losses, self._weights, self._counts, strict=True):
            total = total + weight * loss(step, parts[first : first + count])
            first += count
        return total
