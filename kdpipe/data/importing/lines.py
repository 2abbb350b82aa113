"""Label lines of objects in Ultralytics' format, and what of them is lost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from kdpipe.data.importing.geometry import box_of, clipped, corners_of, outlines_of
from kdpipe.data.importing.objects import Box, Picture, Shape
from kdpipe.data.labels import OUTSIDE as TOLERANCE
from kdpipe.data.labels import enclosing
from kdpipe.errors import counted

SLACK = 1.0  # pixels outside of the picture that tools write for boxes at its edge
NO_AREA, TWICE, OUTSIDE, NO_POINT = (
    "boxes without area",
    "given twice",
    "outside of the image",
    "without a labelled keypoint",
)
KEYPOINT_VALUES = 3


@dataclass
class Tally:
    """What happened to the objects of a data set.

    Attributes:
        total: Number of objects.
        lost: Numbers of objects that are left out, by reason.
        clipped: Objects that reached out of the image.
        boxes_for_outlines: Objects without an outline, whose box is used.
        points_outside: Keypoints outside of the image.
    """

    total: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    clipped: int = 0
    boxes_for_outlines: int = 0
    points_outside: int = 0

    def messages(self) -> Iterator[str]:
        """What a user should know of it."""
        if self.boxes_for_outlines:
            boxes = counted(self.boxes_for_outlines, "object has", "objects have")
            yield f"{boxes} no outline, and the one of the box is used"
        if self.clipped:
            reach = counted(self.clipped, "object reaches", "objects reach")
            yield f"{reach} out of the image and {'is' if self.clipped == 1 else 'are'} clipped to it"
        if self.points_outside:
            points = counted(self.points_outside, "keypoint is", "keypoints are")
            yield f"{points} outside of the image, and not labelled therefore"
        if self.lost:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.lost.items()))
            yield f"objects that are left out: {self.lost.total()} of {self.total} ({kinds})"


def label_text(
    picture: Picture,
    classes: Sequence[int],
    size: tuple[float, float],
    task: str,
    tally: Tally,
    *,
    pixel: tuple[float, float],
) -> str:
    """Text of the label file of a picture.

    Args:
        picture: The picture.
        classes: Class index of each of its objects.
        size: Width and height that its coordinates are of.
        task: Task of the labels.
        tally: Counts what is lost.
        pixel: Width and height of a pixel in the unit of the coordinates.
    """
    found: dict[str, None] = {}
    tally.total += len(picture.shapes)
    for shape, number in zip(picture.shapes, classes, strict=True):
        if shape.skip:
            tally.lost[shape.skip] += 1
            continue
        values = _values(shape, size, task, tally, pixel)
        if not values:
            continue
        line = f"{number} " + " ".join([f"{value:g}" for value in values])
        if line in found:
            tally.lost[TWICE] += 1
        found[line] = None
    return "".join([f"{line}\n" for line in found])


def _values(
    shape: Shape, size: tuple[float, float], task: str, tally: Tally, pixel: tuple[float, float]
) -> list[float]:
    width, height = size
    box = box_of(shape)
    if box is None or box[2] <= box[0] or box[3] <= box[1]:
        tally.lost[NO_AREA] += 1
        return []
    inside = clipped(box, width, height)
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        tally.lost[OUTSIDE] += 1
        return []
    points = _keypoints(shape, size, tally) if task == "pose" else []
    if task == "pose" and not any(points[2::KEYPOINT_VALUES]):
        tally.lost[NO_POINT] += 1
        return []
    if task == "obb":  # clipped, it would be no rectangle
        return _usable(_shares(corners_of(shape), width, height), tally)
    if inside != box and _reach(box, size, pixel) > SLACK:
        tally.clipped += 1
    if task == "segment":
        return _usable(_outline(shape, inside, size, tally), tally)
    return [*_centred(inside, width, height), *points]


def _usable(points: list[float], tally: Tally) -> list[float]:
    """The points of an object, or none if Ultralytics would leave its image out because of them."""
    try:
        box = enclosing(points)
    except ValueError:
        tally.lost[OUTSIDE] += 1
        return []
    if min(box[2:]) <= 0:
        tally.lost[NO_AREA] += 1
        return []
    return points


def _reach(box: Box, size: tuple[float, float], pixel: tuple[float, float]) -> float:
    """By how many pixels a box reaches out of the picture."""
    across, down = max(-box[0], box[2] - size[0]), max(-box[1], box[3] - size[1])
    return max(across / pixel[0], down / pixel[1])


def _centred(box: Box, width: float, height: float) -> list[float]:
    left, top, right, bottom = box
    return [
        (left + (right - left) / 2) / width,
        (top + (bottom - top) / 2) / height,
        (right - left) / width,
        (bottom - top) / height,
    ]


def _keypoints(shape: Shape, size: tuple[float, float], tally: Tally) -> list[float]:
    """x, y and visibility of each keypoint; 0 0 0, which is not labelled, if it is outside of the picture."""
    found: list[float] = []
    for x, y, seen in zip(shape.keypoints[0::3], shape.keypoints[1::3], shape.keypoints[2::3], strict=True):
        shares = x / size[0], y / size[1]
        if all(-TOLERANCE <= value <= 1 + TOLERANCE for value in shares):
            found += [*shares, seen]
        else:
            found += [0.0, 0.0, 0.0]
            tally.points_outside += seen != 0
    return found


def _shares(points: Sequence[float], width: float, height: float) -> list[float]:
    return [value / (height if index % 2 else width) for index, value in enumerate(points)]


def _outline(shape: Shape, box: Box, size: tuple[float, float], tally: Tally) -> list[float]:
    """One outline of all parts, within the picture."""
    parts = outlines_of(shape)
    if not parts:
        tally.boxes_for_outlines += 1
        left, top, right, bottom = box
        parts = [(left, top, right, top, right, bottom, left, bottom)]
    if len(parts) > 1:
        from kdpipe.yolo.datasets import merged_outline

        parts = [merged_outline(parts)]
    return [min(max(value, 0.0), 1.0) for value in _shares(parts[0], *size)]


def is_finite(shape: Shape) -> bool:
    """Whether all coordinates are numbers that a label can hold."""
    values = chain(shape.box or (), shape.corners, shape.keypoints, *shape.parts)
    return math.isfinite(sum(values))
