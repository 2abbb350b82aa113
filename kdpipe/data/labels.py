"""The label rules of each task: what a line of a label file must look like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

BOX_VALUES, POLYGON_VALUES = 4, 6
OUTSIDE = 0.01  # how far beyond the image Ultralytics lets a coordinate lie


@dataclass(frozen=True)
class Label:
    """One object: class id and box (centre x, centre y, width, height; shares of the image)."""

    class_id: int
    box: tuple[float, float, float, float]


def parse_detect(columns: list[float]) -> Label:
    """A detection label: a box, or a polygon, of which Ultralytics takes the enclosing box.

    Raises:
        ValueError: saying what is wrong with the line.
    """
    values = columns[1:]
    if any(not -OUTSIDE <= value <= 1 + OUTSIDE for value in values):
        raise ValueError("coordinates outside 0..1 (they must be shares of width and height)")
    if len(values) >= POLYGON_VALUES and len(values) % 2 == 0:
        xs, ys = values[0::2], values[1::2]
        x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        values = [x, y, max(xs) - min(xs), max(ys) - min(ys)]
    if len(values) != BOX_VALUES:
        raise ValueError(f"{len(columns)} columns, where a detection label has 5")
    x, y, width, height = values
    if width <= 0 or height <= 0:
        raise ValueError("a box without area")
    return Label(int(columns[0]), (x, y, width, height))


PARSERS: dict[str, Callable[[list[float]], Label]] = {"detect": parse_detect}
"""How a label line is read, per task: the tasks that kdpipe prepares data for."""


def parse(text: str, task: str, classes: int) -> tuple[list[Label], list[str]]:
    """Read a label file: its good objects, and a sentence for each bad line."""
    labels, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            labels.append(_parse_line(line, task, classes))
        except ValueError as error:
            problems.append(f"line {number}: {error}")
    return labels, problems


def _parse_line(line: str, task: str, classes: int) -> Label:
    try:
        columns = [float(word) for word in line.split()]
    except ValueError:
        raise ValueError(f"not numbers: {line.strip()[:40]!r}") from None
    if not all(math.isfinite(value) for value in columns):
        raise ValueError("not finite numbers")
    if not columns[0].is_integer() or not 0 <= columns[0] < classes:
        raise ValueError(f"class id {columns[0]:g} outside 0..{classes - 1}")
    return PARSERS[task](columns)
