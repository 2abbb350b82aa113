"""The labels of a prepared data set as COCO's evaluation wants them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hotcoco import COCO
from PIL import Image

from kdpipe.data import load_manifest
from kdpipe.data.labels import Label, parse
from kdpipe.errors import KdpipeError

EXIF_ORIENTATION, EXIF_TURNED = 0x0112, (5, 6, 7, 8)  # turned by a quarter: width and height swap


@dataclass(frozen=True)
class Truth:
    """The labelled objects of a split, its images by file name, and its class names by id.

    Classes and images are counted from 1, as COCO does.
    """

    coco: COCO
    image_ids: dict[str, int]
    names: list[str]


def load_truth(dataset: Path, split: str) -> Truth:
    """Read the labels of a split of a data set that `prepare` wrote.

    An object's area, by which COCO calls it small, medium or large, is that of its box. A label that
    is written twice counts once, as in Ultralytics.

    Raises:
        KdpipeError: if the data set has no such split.
    """
    manifest = load_manifest(dataset)
    images = sorted((dataset / "images" / split).glob("*"))
    if not images:
        raise KdpipeError(f"{dataset} has no images for {split}")
    sizes = [_size(path) for path in images]
    found = [
        (number, label.class_id + 1, _pixels(label, size))
        for number, (path, size) in enumerate(zip(images, sizes, strict=True), start=1)
        for label in _labels(dataset, split, path, manifest.task, len(manifest.names))
    ]
    coco = COCO.from_arrays(
        images=[{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes, start=1)],
        categories=[{"id": i, "name": name} for i, name in enumerate(manifest.names, start=1)],
        image_ids=[image for image, _, _ in found],
        category_ids=[category for _, category, _ in found],
        boxes=np.array([box for _, _, box in found], dtype=float).reshape(-1, 4),
    )
    return Truth(coco, {path.name: i for i, path in enumerate(images, start=1)}, manifest.names)


def _labels(dataset: Path, split: str, image: Path, task: str, classes: int) -> list[Label]:
    text = (dataset / "labels" / split / image.name).with_suffix(".txt").read_text()
    return list(dict.fromkeys(parse(text, task, classes)[0]))


def _size(path: Path) -> tuple[int, int]:
    """Width and height as Ultralytics sees them: turned the way the camera says."""
    with Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(EXIF_ORIENTATION) in EXIF_TURNED
    return (height, width) if turned else (width, height)


def _pixels(label: Label, size: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, width, height = label.box
    w, h = size
    return ((x - width / 2) * w, (y - height / 2) * h, width * w, height * h)
