"""Draw the images on which baseline and distilled student differ most, with the boxes of each model."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import degrees
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from kdpipe.cells.cell import DATASET_DIR, Cell
from kdpipe.data.images import upright
from kdpipe.evaluation import Truth, found_per_image, load_predictions, load_truth, predictions_file
from kdpipe.evaluation.predictions import BOX, ROTATED_BOX
from kdpipe.models.names import HEADS
from kdpipe.page import fonts
from kdpipe.page.plot import STYLE, drawing
from kdpipe.report.formatting import HEAD_NAMES

CONFIDENCE = 0.25  # as in Ultralytics' predict
MOST_PAIRS, EACH_WAY = 3, 2  # images that gain most, and as many that lose most
WIDEST, NARROWEST = 420, 200  # pixels
QUALITY = 82
TEXT_SIZE = 10  # pixels, as Pillow's own font
SHEET_WIDTH, SHEET_HEIGHT = 12.0, 3.6  # inches, of four pictures
INKS = ("#3ddc84", "#ffb000", "#4da3ff", "#ff5d8f", "#c792ff", "#ffffff", "#00d7d7", "#ff8a3d")


@dataclass(frozen=True)
class Picture:
    """An image with the boxes of one model or the truth, as JPEG."""

    jpeg: bytes
    caption: str

    @property
    def source(self) -> str:
        """The image as a data URL."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


@dataclass(frozen=True)
class Row:
    """One image in four pictures: truth, baseline, distilled, teacher."""

    pair: str
    setting: str
    about: str
    pictures: list[Picture]


def rows(pairs: Sequence[tuple[str, str, Mapping[str, Cell]]], split: str) -> Iterator[Row]:
    """Yield for each pair the images that gained most and those that lost most.

    Args:
        pairs: Name and setting of each pair, and its trainings of one seed: baseline, distilled, teacher.
        split: The split that is measured.
    """
    truth = load_truth(DATASET_DIR, split)
    for pair, setting, cells in pairs[:MOST_PAIRS]:
        head = next(h for h in HEADS if all(_file(cell, split, h).exists() for cell in cells.values()))
        found = {who: _sure(load_predictions(_file(cell, split, head))) for who, cell in cells.items()}
        scores = {who: found_per_image(truth, predictions) for who, predictions in found.items()}
        change = {image: scores["distilled"][image] - scores["baseline"][image] for image in truth.image_ids}
        by_change = sorted(change, key=lambda image: change[image])
        lost = [image for image in by_change[:EACH_WAY] if change[image] < 0]
        won = [image for image in by_change[: -EACH_WAY - 1 : -1] if change[image] > 0]
        for image in (*won, *lost):
            said = f"{image}, {HEAD_NAMES[head]} head: F1 {100 * change[image]:+.0f}"
            pictures = [_picture(split, image, _true_boxes(truth, image), "truth")]
            for who, predictions in found.items():
                its = predictions[predictions["image"] == image]
                caption = f"{who}: F1 {100 * scores[who][image]:.0f}"
                pictures.append(_picture(split, image, _boxes(its, truth), caption))
            yield Row(pair, setting, said, pictures)


def save_sheets(rows: Sequence[Row], folder: Path) -> None:
    """Save the pictures of each pair as one JPEG file, `boxes-PAIR.jpg`."""
    for pair, its_rows in groupby(rows, key=lambda row: row.pair):
        drawn = list(its_rows)
        fonts_of_labels = fonts.families([row.setting + row.about for row in drawn])
        with drawing(), rc_context({**STYLE, "font.family": fonts_of_labels}):
            figure = Figure(figsize=(SHEET_WIDTH, SHEET_HEIGHT * len(drawn)), layout="constrained")
            axes = figure.subplots(len(drawn), len(drawn[0].pictures), squeeze=False)
            for row, line in zip(drawn, axes, strict=True):
                for picture, at in zip(row.pictures, line, strict=True):
                    at.imshow(Image.open(io.BytesIO(picture.jpeg)))
                    at.set_title(picture.caption, fontsize="small")
                    at.set_axis_off()
                line[0].set_title(f"{row.setting}\n{row.about}\n{row.pictures[0].caption}", fontsize="small")
            figure.savefig(folder / f"boxes-{pair}.jpg", dpi=100)


def _file(cell: Cell, split: str, head: str) -> Path:
    return cell.val_dir / predictions_file(split, head)


def _sure(predictions: pd.DataFrame) -> pd.DataFrame:
    sure = predictions[predictions["score"] >= CONFIDENCE]
    return sure.assign(image=sure["image"].astype(str))


Corners = list[tuple[float, float]]
Drawn = tuple[int, str, Corners]
"""Class, label, and the corners of a box in pixels."""


def _true_boxes(truth: Truth, image: str) -> list[Drawn]:
    found = truth.coco.load_anns(truth.coco.get_ann_ids(img_ids=[truth.image_ids[image]]))
    return [(item["category_id"] - 1, truth.names[item["category_id"] - 1], _corners(item)) for item in found]


def _boxes(predictions: pd.DataFrame, truth: Truth) -> list[Drawn]:
    columns = ROTATED_BOX if truth.task == "obb" else BOX
    key = "obb" if truth.task == "obb" else "bbox"
    weakest_first = predictions.sort_values("score")
    return [
        (
            row["class_id"],
            f"{truth.names[row['class_id']]} {row['score']:.2f}",
            _corners({key: [row[c] for c in columns]}),
        )
        for row in weakest_first.to_dict("records")
    ]


def _corners(item: Mapping[str, Any]) -> Corners:
    if "obb" in item:
        x, y, width, height, angle = item["obb"]
        return [(a, b) for a, b in cv2.boxPoints(((x, y), (width, height), degrees(angle))).tolist()]
    x, y, width, height = item["bbox"]
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _picture(split: str, name: str, boxes: Sequence[Drawn], caption: str) -> Picture:
    with Image.open(DATASET_DIR / "images" / split / name) as file:
        image = upright(file)
    scale = min(max(image.width, NARROWEST), WIDEST) / image.width
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    draw = ImageDraw.Draw(image)
    for class_id, label, corners in boxes:
        points, ink = [(x * scale, y * scale) for x, y in corners], INKS[class_id % len(INKS)]
        draw.polygon(points, outline=ink, width=2)
        left, top = min(x for x, _ in points), min(y for _, y in points)
        place = (max(0.0, left), max(0.0, top - 11))
        font = _font(label)
        draw.rectangle(draw.textbbox(place, label, font=font), fill="black")
        draw.text(place, label, fill=ink, font=font)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    count = f"{len(boxes)} box{'' if len(boxes) == 1 else 'es'}"
    return Picture(out.getvalue(), f"{caption}, {count}")


def _font(label: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font has the letters of Western Europe only."""
    if label.isascii():
        return ImageFont.load_default()
    return ImageFont.truetype(fonts.file_for(label), TEXT_SIZE)
