"""The label rules of each task: what a line of a label file must look like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

BOX_VALUES, CORNER_VALUES, POLYGON_VALUES = 4, 8, 6
OUTSIDE = 0.01  # how far beyond the image Ultralytics lets a coordinate lie
XY = 2  # values of a point, but for a keypoint that says whether it can be seen
SEEN = 2.0  # COCO's word for a keypoint that is labelled and can be seen

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """One object: class id, box (centre x, centre y, width, height), and what its task adds.

    `points` are the outline (segment) or the corners (obb) as x, y, or the keypoints (pose) as x, y
    or x, y, visibility. All places are shares of the image.
    """

    class_id: int
    box: Box
    points: tuple[float, ...] = ()


@dataclass(frozen=True)
class LabelRules:
    """What the label files of a data set are read by; `kpt_shape` is that of its data yaml."""

    task: str
    classes: int
    kpt_shape: tuple[int, int] | None = None

    def parse(self, text: str) -> tuple[list[Label], list[str]]:
        """Read a label file: its good objects, and a sentence for each bad line."""
        labels, problems = [], []
        lengths = {len(line.split()) - 1 for line in text.splitlines() if line.strip()}
        if self.task == "detect" and BOX_VALUES in lengths and max(lengths) >= POLYGON_VALUES:
            problems.append("boxes and outlines in one file, which Ultralytics leaves out; write one kind")
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                labels.append(self._parse_line(line))
            except ValueError as error:
                problems.append(f"line {number}: {error}")
        return labels, problems

    def points(self, label: Label) -> list[tuple[float, float, float]]:
        """The label's points as x, y and visibility, as COCO counts it: 0 where one is not labelled."""
        values = self.kpt_shape[1] if self.kpt_shape else XY
        rows = (label.points[start : start + values] for start in range(0, len(label.points), values))
        return [(row[0], row[1], row[2] if len(row) > XY else SEEN) for row in rows]

    def _parse_line(self, line: str) -> Label:
        try:
            columns = [float(word) for word in line.split()]
        except ValueError:
            raise ValueError(f"not numbers: {line.strip()[:40]!r}") from None
        if not all(math.isfinite(value) for value in columns):
            raise ValueError("not finite numbers")
        if not columns[0].is_integer() or not 0 <= columns[0] < self.classes:
            raise ValueError(f"class id {columns[0]:g} outside 0..{self.classes - 1}")
        label = PARSERS[self.task](columns, self)
        if label.box[2] <= 0 or label.box[3] <= 0:
            raise ValueError("a box without area")
        return label


def _detect(columns: list[float], _: LabelRules) -> Label:
    """A box, or a polygon, of which Ultralytics takes the enclosing box."""
    values = columns[1:]
    if len(values) >= POLYGON_VALUES and len(values) % 2 == 0:
        return Label(int(columns[0]), _enclosing(values))
    if len(values) != BOX_VALUES:
        raise ValueError(f"{len(columns)} columns, where a detection label has 5")
    _check_inside(values)
    return Label(int(columns[0]), _box(values))


def _segment(columns: list[float], _: LabelRules) -> Label:
    values = columns[1:]
    if len(values) < POLYGON_VALUES or len(values) % 2:
        raise ValueError(f"{len(columns)} columns, where an outline has a class and x y of 3 points or more")
    return Label(int(columns[0]), _enclosing(values), tuple(values))


def _obb(columns: list[float], _: LabelRules) -> Label:
    values = columns[1:]
    if len(values) != CORNER_VALUES:
        raise ValueError(f"{len(columns)} columns, where a rotated box has 9: a class and x y of 4 corners")
    return Label(int(columns[0]), _enclosing(values), tuple(values))


def _pose(columns: list[float], rules: LabelRules) -> Label:
    assert rules.kpt_shape is not None, "refused when the data yaml was read"
    count, dimensions = rules.kpt_shape
    box, points = columns[1 : 1 + BOX_VALUES], columns[1 + BOX_VALUES :]
    if len(points) != count * dimensions:
        raise ValueError(
            f"{len(columns)} columns, where kpt_shape [{count}, {dimensions}] makes "
            f"{1 + BOX_VALUES + count * dimensions}"
        )
    _check_inside([*box, *points[0::dimensions], *points[1::dimensions]])
    return Label(int(columns[0]), _box(box), tuple(points))


PARSERS: dict[str, Callable[[list[float], LabelRules], Label]] = {
    "detect": _detect,
    "segment": _segment,
    "pose": _pose,
    "obb": _obb,
}
"""How a label line is read, per task: the tasks that kdpipe prepares data for."""


def _check_inside(values: list[float]) -> None:
    if any(not -OUTSIDE <= value <= 1 + OUTSIDE for value in values):
        raise ValueError("coordinates outside 0..1 (they must be shares of width and height)")


def _box(values: list[float]) -> Box:
    x, y, width, height = values
    return x, y, width, height


def _enclosing(values: list[float]) -> Box:
    """The box round some points, of which single ones may lie outside, as Ultralytics lets them."""
    xs, ys = values[0::2], values[1::2]
    box = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2, max(xs) - min(xs), max(ys) - min(ys)
    _check_inside(list(box))
    return box
