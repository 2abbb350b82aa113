"""Tasks that Ultralytics can distil, and their metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOX = "box/"


@dataclass(frozen=True)
class Task:
    """A task of Ultralytics.

    Attributes:
        suffix: Suffix of its model names.
        metric: Readable name of its mAP50-95.
        iou_type: Name of its matching rule in COCO's evaluation.
        mark: Letter of its metrics in Ultralytics, such as `B` in `mAP50(B)`.
        counted: Predictions of a class in an image that COCO's AP counts.
    """

    suffix: str
    metric: str
    iou_type: str
    mark: str
    counted: int = 100

    @property
    def has_boxes_too(self) -> bool:
        """Whether its models predict boxes in addition to masks or keypoints."""
        return self.mark != "B"

    def counts_all(self, *, annotated: bool) -> bool:
        """Whether all predictions count if an image has more objects than COCO's AP counts predictions.

        COCO has images with more people than the 20 poses that its AP counts, so with COCO's own annotations
        AP is that of published figures.
        """
        return not (annotated and self.iou_type == "keypoints")


TASKS = {
    "detect": Task("", "COCO AP", "bbox", "B"),
    "segment": Task("-seg", "COCO AP of masks", "segm", "M"),
    "pose": Task("-pose", "COCO AP of keypoints", "keypoints", "P", counted=20),
    "obb": Task("-obb", "AP of rotated boxes", "obb", "B"),
}


def metric_name(name: str, task: str) -> str:
    """Rename an Ultralytics metric for MLflow, which rejects parentheses, and for kdpipe's files.

    Metrics of the task itself lose their mark; box metrics of segment and pose get a prefix:
    `metrics/mAP50-95(B)` becomes `metrics/box/mAP50-95` for segment and pose, and `metrics/mAP50-95` for
    detect and obb.
    """
    match = re.fullmatch(r"(metrics/)?(.+)\(([BMP])\)", name)
    if match is None:
        return name
    place, metric, mark = match.groups(default="")
    return f"{place}{'' if mark == TASKS[task].mark else BOX}{metric}"
