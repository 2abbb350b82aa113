"""How the weight of a distillation loss changes over a training: functions of the epoch alone."""

from __future__ import annotations

import math

from kdpipe.models.methods import O2M, STOP
from kdpipe.params.schema import CONSTANT

LAST = 0.01  # of the cosine, at the end
O2M_FIRST, O2M_LAST = 0.8, 0.1  # weight of YOLO26's one-to-many branch in the detection loss


def factor(decay: str | dict[str, float], epoch: int, epochs: int) -> float:
    """Return the factor of `dis` in an epoch.

    - `constant`: 1.
    - `cosine`: from 1 to 0.01 (YOLOv6, https://arxiv.org/abs/2209.02976).
    - `o2m`: as the weight of YOLO26's one-to-many branch, the only one that trains the neck, falls from
      0.8 to 0.1 (Ultralytics' `E2ELoss`).
    - `{stop: 0.7}`: 1 in this share of the epochs, then 0 (RTMDet, https://arxiv.org/abs/2212.07784).

    Args:
        decay: What params.yaml says.
        epoch: The epoch, from 0.
        epochs: Epochs of the training.
    """
    if isinstance(decay, dict):
        return 1.0 if epoch < decay[STOP] * epochs else 0.0
    if decay == CONSTANT:
        return 1.0
    if decay == O2M:
        left = max(1 - epoch / max(epochs - 1, 1), 0)
        return (left * (O2M_FIRST - O2M_LAST) + O2M_LAST) / O2M_FIRST
    return (1 + math.cos(math.pi * epoch / epochs)) / 2 * (1 - LAST) + LAST
