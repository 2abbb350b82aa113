"""Preview image of a data set: a grid of images with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from kdpipe.data.examine import CheckedExample
from kdpipe.data.images import upright
from kdpipe.data.labels import LabelRules

COLUMNS, ROWS, SIDE = 6, 3, 192
INK = (0, 255, 0)
KEYPOINT_INKS = ("red", "yellow", "cyan", "magenta", "orange", "white")
KEYPOINT_RADIUS = 3


def save_preview(
    examples: list[CheckedExample], names: Mapping[int, str], rules: LabelRules, images: Path, out: Path
) -> None:
    """Draw the first images of a split with labels and class names into one PNG.

    Args:
        examples: Images of the split, with parsed labels.
        names: Class names by class id.
        rules: Label rules of the data set.
        images: Folder with the image files.
        out: Path of the PNG.
    """
    sheet = Image.new("RGB", (COLUMNS * SIDE, ROWS * SIDE), "black")
    for index, checked in enumerate(examples[: COLUMNS * ROWS]):
        row, column = divmod(index, COLUMNS)
        sheet.paste(_draw(checked, names, rules, images), (column * SIDE, row * SIDE))
    sheet.save(out)


def _draw(checked: CheckedExample, names: Mapping[int, str], rules: LabelRules, images: Path) -> Image.Image:
    with Image.open(images / checked.example.name) as file:
        image = upright(file).resize((SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    for label in checked.labels:
        x, y, width, height = (value * SIDE for value in label.box)
        corner = (x - width / 2, y - height / 2)
        points = [(x * SIDE, y * SIDE) for x, y, seen in rules.points(label) if seen]
        if rules.task in ("detect", "pose"):
            draw.rectangle((*corner, x + width / 2, y + height / 2), outline=INK)
        else:
            draw.polygon(points, outline=INK)
        if rules.task == "pose":
            for number, point in enumerate(points):
                draw.circle(point, KEYPOINT_RADIUS, fill=KEYPOINT_INKS[number % len(KEYPOINT_INKS)])
        draw.text((corner[0] + 2, corner[1]), names[label.class_id], fill=INK)
    return image
