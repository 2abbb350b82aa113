"""The tasks that Ultralytics distils, and what each is measured by."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOX = "box/"


@dataclass(frozen=True)
class Task:
    """One task.

    `suffix` is that of its models' names, `metric` what its mAP50-95 is, `iou_type` how COCO's
    evaluation calls that by which predictions are matched, and `mark` how Ultralytics marks its metrics.
    """

    suffix: str
    metric: str
    iou_type: str
    mark: str

    @property
    def has_boxes_too(self) -> bool:
        """Whether its models find boxes beside what they are about."""
        return self.mark != "B"


TASKS = {
    "detect": Task("", "COCO AP", "bbox", "B"),
    "segment": Task("-seg", "COCO AP of masks", "segm", "M"),
    "pose": Task("-pose", "COCO AP of keypoints", "keypoints", "P"),
    "obb": Task("-obb", "AP of rotated boxes", "obb", "B"),
}


def metric_name(name: str, task: str) -> str:
    """An Ultralytics metric's name as MLflow, which refuses parentheses, and kdpipe's files write it.

    What the task is about has no mark; the boxes of segment and pose do: `metrics/mAP50-95(B)` is
    `metrics/box/mAP50-95` there, and `metrics/mAP50-95` for detect.
    """
    match = re.fullmatch(r"(metrics/)?(.+)\(([BMP])\)", name)
    if match is None:
        return name
    place, metric, mark = match.groups(default="")
    return f"{place}{'' if mark == TASKS[task].mark else BOX}{metric}"
