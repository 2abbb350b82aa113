"""Label rules of each task: the valid format of a line in a label file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from kdpipe.errors import counted

BOX_VALUES, CORNER_VALUES, POLYGON_VALUES = 4, 8, 6
OUTSIDE = 0.01  # Ultralytics' tolerance for coordinates outside 0..1
XY = 2  # values per point, unless keypoints have a visibility
SEEN = 2.0  # COCO's visibility of a keypoint that is labelled and visible

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """One object; all coordinates are normalised to the image size.

    Attributes:
        class_id: Class id.
        box: Centre x, centre y, width, height.
        points: Flat list: outline (segment, and detect if its labels are outlines) or four corners (obb) as
            x, y; keypoints (pose) as x, y or x, y, visibility.
    """

    class_id: int
    box: Box
    points: tuple[float, ...] = ()

    @property
    def content(self) -> bytes:
        """What Ultralytics tells labels apart by: all values in single precision."""
        return np.array([self.class_id, *self.box, *self.points], np.float32).tobytes()


@dataclass(frozen=True)
class LabelRules:
    """Rules for parsing the label files of a data set.

    Attributes:
        task: Task of the labels.
        classes: Number of classes.
        kpt_shape: Number of keypoints and values per keypoint, from the data yaml; None without keypoints.
            For detect, lines with keypoints are boxes whose keypoints are not used.
    """

    task: str
    classes: int
    kpt_shape: tuple[int, int] | None = None

    def parse(self, text: str) -> tuple[list[Label], list[str]]:
        """Parse a label file into its valid objects, each once, and one message per invalid line."""
        labels, problems = [], []
        rows = [(number, self._words(line)) for number, line in enumerate(text.splitlines(), start=1)]
        lengths = {len(words) - 1 for _, words in rows if words}
        if self.task == "detect" and BOX_VALUES in lengths and max(lengths) >= POLYGON_VALUES:
            problems.append("boxes and outlines in one file, which Ultralytics leaves out; write one kind")
        for number, words in rows:
            try:
                labels += [self._parse_words(words)] if words else []
            except ValueError as error:
                problems.append(f"line {number}: {error}")
        return _once(labels), problems

    def points(self, label: Label) -> list[tuple[float, float, float]]:
        """The label's points as normalised x, y and COCO's visibility (0: not labelled, 2: visible)."""
        values = self.kpt_shape[1] if self.kpt_shape and self.task == "pose" else XY
        rows = (label.points[start : start + values] for start in range(0, len(label.points), values))
        return [(row[0], row[1], row[2] if len(row) > XY else _visibility(self.task, row)) for row in rows]

    def _words(self, line: str) -> list[str]:
        """Columns of a line; for detect, without keypoints, as in Ultralytics."""
        words = line.split()
        if (
            self.task == "detect"
            and self.kpt_shape
            and len(words) == 1 + BOX_VALUES + math.prod(self.kpt_shape)
        ):
            return words[: 1 + BOX_VALUES]
        return words

    def _parse_words(self, words: list[str]) -> Label:
        try:
            columns = [float(word) for word in words]
        except ValueError:
            raise ValueError(f"not numbers: {' '.join(words)[:40]!r}") from None
        if not all(math.isfinite(value) for value in columns):
            raise ValueError("not finite numbers")
        if not columns[0].is_integer() or not 0 <= columns[0] < self.classes:
            raise ValueError(f"class id {columns[0]:g} outside 0..{self.classes - 1}")
        label = PARSERS[self.task](columns, self)
        if label.box[2] <= 0 or label.box[3] <= 0:
            raise ValueError("a box without area")
        return label


def _detect(columns: list[float], _: LabelRules) -> Label:
    """Parse a box, or a polygon, from which Ultralytics uses the enclosing box."""
    values = columns[1:]
    if len(values) >= POLYGON_VALUES and len(values) % 2 == 0:
        return Label(int(columns[0]), enclosing(values), tuple(values))
    if len(values) != BOX_VALUES:
        raise ValueError(f"{counted(len(columns), 'column')}, where a detection label has 5")
    _check_inside(values)
    return Label(int(columns[0]), _box(values))


def _segment(columns: list[float], _: LabelRules) -> Label:
    values = columns[1:]
    if len(values) < POLYGON_VALUES or len(values) % 2:
        raise ValueError(
            f"{counted(len(columns), 'column')}, where an outline has a class and x y of 3 points or more"
        )
    return Label(int(columns[0]), enclosing(values), tuple(values))


def _obb(columns: list[float], _: LabelRules) -> Label:
    values = columns[1:]
    if len(values) != CORNER_VALUES:
        raise ValueError(
            f"{counted(len(columns), 'column')}, where a rotated box has 9: a class and x y of 4 corners"
        )
    return Label(int(columns[0]), enclosing(values), tuple(values))


def _pose(columns: list[float], rules: LabelRules) -> Label:
    assert rules.kpt_shape is not None, "refused when the data yaml was read"
    count, dimensions = rules.kpt_shape
    box, points = columns[1 : 1 + BOX_VALUES], columns[1 + BOX_VALUES :]
    if len(points) != count * dimensions:
        raise ValueError(
            f"{counted(len(columns), 'column')}, where kpt_shape [{count}, {dimensions}] makes "
            f"{1 + BOX_VALUES + count * dimensions}"
        )
    _check_inside([*box, *points[0::dimensions], *points[1::dimensions]])
    if dimensions > XY and min(points[XY::dimensions]) < 0:
        raise ValueError("a visibility below 0; write 0 (not labelled), 1 (hidden) or 2 (visible)")
    return Label(int(columns[0]), _box(box), tuple(points))


PARSERS: dict[str, Callable[[list[float], LabelRules], Label]] = {
    "detect": _detect,
    "segment": _segment,
    "pose": _pose,
    "obb": _obb,
}
"""Parsers of a label line by task; these tasks are supported by kdpipe."""


def _once(labels: Iterable[Label]) -> list[Label]:
    """Labels without repetitions, which Ultralytics removes too."""
    found: dict[bytes, Label] = {}
    for label in labels:
        found.setdefault(label.content, label)
    return list(found.values())


def _visibility(task: str, point: tuple[float, ...]) -> float:
    """Visibility of a point without one; in Ultralytics, keypoints beyond the upper left are not labelled."""
    return 0.0 if task == "pose" and min(point) < 0 else SEEN


def _check_inside(values: list[float]) -> None:
    if any(not -OUTSIDE <= value <= 1 + OUTSIDE for value in values):
        raise ValueError("coordinates outside 0..1 (they must be shares of width and height)")


def _box(values: list[float]) -> Box:
    x, y, width, height = values
    return x, y, width, height


def enclosing(values: list[float]) -> Box:
    """Return the box around points, normalised. Single points may be outside the image, as in Ultralytics.

    Raises:
        ValueError: if its centre is outside the image, or it is larger than it.
    """
    xs, ys = values[0::2], values[1::2]
    box = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2, max(xs) - min(xs), max(ys) - min(ys)
    _check_inside(list(box))
    return box
