"""Levels of two necks that see the same places of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch

RAW = ("scores", "boxes")


def matching(
    student: Sequence[float], teacher: Sequence[float], larger: float = 1.0
) -> list[tuple[int, int]]:
    """Return the levels of student and teacher with the same grid of positions, by number.

    Args:
        student: Strides of the student's levels in pixels.
        teacher: Strides of the teacher's.
        larger: How many times larger the teacher's images are.
    """
    return [(mine, its) for mine, a in enumerate(student) for its, b in enumerate(teacher) if b == a * larger]


def raw(
    predictions: dict[str, torch.Tensor], grids: Sequence[torch.Tensor], levels: Sequence[int]
) -> dict[str, torch.Tensor]:
    """Return what a branch predicts at some levels, in float32.

    Args:
        predictions: `scores` and perhaps `boxes`, (batch, channels, positions of all levels).
        grids: Features per level, (batch, channels, height, width).
        levels: Numbers of the levels that are kept.
    """
    found = {name: predictions[name] for name in RAW if name in predictions}
    if list(levels) != list(range(len(grids))):
        sizes = [grid.shape[-2] * grid.shape[-1] for grid in grids]
        parts = {name: outputs.split_with_sizes(sizes, dim=-1) for name, outputs in found.items()}
        found = {name: torch.cat([part[level] for level in levels], dim=-1) for name, part in parts.items()}
    return {name: outputs.float() for name, outputs in found.items()}
