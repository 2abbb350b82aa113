"""Label lines that reach a little out of the image, for which Ultralytics leaves the whole image out."""

from __future__ import annotations

from collections.abc import Sequence

from kdpipe.data.labels import BOX_VALUES, OUTSIDE, POLYGON_VALUES, LabelRules

LITTLE = 0.1  # share of width or height; what is further out is no share of them, or a mistake


def clipped_text(text: str, rules: LabelRules) -> tuple[str, int]:
    """Text of a label file whose boxes and outlines end at the edges, and how many were changed.

    Lines within Ultralytics' tolerance stay as they are, and so do those that are wrong in another way.
    Turned boxes are not changed: clipped, they would be no rectangles.
    """
    if rules.task == "obb":
        return text, 0
    lines = text.splitlines(keepends=True)
    changed = {number: new for number, line in enumerate(lines) if (new := _clipped(line, rules))}
    return "".join(changed.get(number, line) for number, line in enumerate(lines)), len(changed)


def _clipped(line: str, rules: LabelRules) -> str | None:
    """The line as it should be; None if it is right, or not to be mended."""
    words = line.split()
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        return None
    if len(values) == BOX_VALUES or rules.task == "pose" or (rules.kpt_shape and rules.task == "detect"):
        box, rest = values[:BOX_VALUES], words[1 + BOX_VALUES :]
        cut = _cut_box(box) if len(box) == BOX_VALUES and _is_a_little_outside(box) else None
        return _joined(words[0], cut, rest) if cut else None
    if len(values) >= POLYGON_VALUES and len(values) % 2 == 0 and _is_a_little_outside(values):
        cut = [min(max(value, 0.0), 1.0) for value in values]
        return _joined(words[0], cut, []) if _has_area(cut) else None
    return None


def _is_a_little_outside(values: Sequence[float]) -> bool:
    within = all(-LITTLE <= value <= 1 + LITTLE for value in values)
    return within and any(not -OUTSIDE <= value <= 1 + OUTSIDE for value in values)


def _has_area(outline: Sequence[float]) -> bool:
    return all(min(values) < max(values) for values in (outline[0::2], outline[1::2]))


def _cut_box(box: Sequence[float]) -> list[float] | None:
    """The part of a box that is in the image; None if there is none."""
    x, y, width, height = box
    left, top = max(x - width / 2, 0.0), max(y - height / 2, 0.0)
    right, bottom = min(x + width / 2, 1.0), min(y + height / 2, 1.0)
    if right <= left or bottom <= top:
        return None
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def _joined(class_id: str, values: Sequence[float], rest: Sequence[str]) -> str:
    return " ".join([class_id, *(f"{value:.6g}" for value in values), *rest]) + "\n"
