"""`features+predictions`: a sum of losses."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kdpipe.runner.methods.step import Loss, Step


class Sum:
    """The weighted sum of losses."""

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float]) -> None:
        """Take the losses and their weights, one each."""
        self._losses, self._weights = losses, weights
        self.parts = [part for loss in losses for part in loss.parts]

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""
        total = step.teacher[0].new_zeros(())
        for loss, weight in zip(self._losses, self._weights, strict=True):
            total = total + weight * loss(step)
        return total
