"""`predictions`: the teacher's class scores and boxes as targets.

Class scores as in L. Yang et al., "Bridging Cross-task Protocol Inconsistency for Distillation in Dense
Object Detection" (BCKD), https://arxiv.org/abs/2308.14286; boxes weighted by the teacher's scores as in
PP-YOLOE+ (PaddleDetection).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from ultralytics.utils.metrics import bbox_iou
from ultralytics.utils.tal import dist2bbox, make_anchors

from kdpipe.runner.methods.step import Branch, Step

SURE = 0.05  # highest class score of the teacher from which its box counts


class Predictions:
    """Cross entropy with the teacher's class scores, and differences from its boxes where it is sure.

    Per branch, with the student's scores s (logits), t = sigmoid of the teacher's, c = max over classes of t:

        cls * sum BCE(s, t) * |t - sigmoid(s)|^beta / max(sum of c, 1)
        + sum over places with c > 0.05 of c * (box * (1 - CIoU) + dfl * L1) / sum of these c

    `cls`, `box` and `dfl` are Ultralytics' gains; L1 is of the distances of the four sides from the place, in
    shares of the image. Branches weigh what they weigh in the detection loss. Of rotated boxes the sides are
    compared, not the angle.
    """

    def __init__(self, beta: float = 0.0) -> None:
        """Take the exponent of the difference: 0 weighs all places alike, BCKD has 1."""
        self.parts: list[nn.Module] = []  # this loss does not learn
        self._beta = beta

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""
        total = step.teacher[0].new_zeros(())
        for branch in step.branches:
            total = total + branch.weight * (self._classes(step, branch) + _boxes(step, branch))
        return total

    def _classes(self, step: Step, branch: Branch) -> torch.Tensor:
        scores, targets = branch.student["scores"], branch.teacher["scores"].sigmoid()
        entropy = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        if self._beta:
            entropy = entropy * (scores.detach().sigmoid() - targets).abs() ** self._beta
        return float(step.gains.cls) * entropy.sum() / targets.amax(1).sum().clamp(min=1)


def distances(boxes: torch.Tensor, reg_max: int) -> torch.Tensor:
    """Distances of the four sides in grid cells, from raw boxes: (batch, 4 * reg_max, n) -> (batch, n, 4)."""
    boxes = boxes.transpose(1, 2)
    if reg_max == 1:
        return boxes
    batch, places, _ = boxes.shape
    steps = torch.arange(reg_max, dtype=boxes.dtype, device=boxes.device)
    return boxes.view(batch, places, 4, reg_max).softmax(-1) @ steps


def _boxes(step: Step, branch: Branch) -> torch.Tensor:
    sureness = branch.teacher["scores"].sigmoid().amax(1)
    sure = sureness > SURE
    mine, its = (
        distances(boxes, step.reg_max) for boxes in (branch.student["boxes"], branch.teacher["boxes"])
    )
    if not sure.any():
        return mine.sum() * 0
    points, strides = make_anchors(list(step.student), step.strides, 0.5)
    weights = sureness[sure][:, None]
    points = points.expand(len(mine), -1, -1)[sure]
    height, width = step.student[0].shape[2:]
    size = torch.tensor([width, height] * 2, device=mine.device) * step.strides[0]
    shares = strides.expand(len(mine), -1, -1)[sure] / size
    mine, its = mine[sure], its[sure]
    boxes = [dist2bbox(sides, points, xywh=False) for sides in (mine, its)]
    overlap = 1 - bbox_iou(*boxes, xywh=False, CIoU=True)
    apart = ((mine - its).abs() * shares).mean(-1, keepdim=True)
    total = float(step.gains.box) * overlap + float(step.gains.dfl) * apart
    weighted: torch.Tensor = (total * weights).sum() / weights.sum()
    return weighted
