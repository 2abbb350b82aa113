"""What is on the pictures of all exports, and the parts that several tools write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 64, 48
NAMES = ["dog", "cat"]  # in the order of the tools' class ids, which is not the alphabet's
STEMS = [f"photo{number}" for number in range(6)]
SPLITS = {"train": STEMS[:3], "val": STEMS[3:5], "test": STEMS[5:]}
Box = tuple[str, float, float, float, float]


def boxes(stem: str) -> list[Box]:
    """Class, left, top, right and bottom in pixels of each object of a picture."""
    number = STEMS.index(stem)
    cat = ("cat", 4.0 + number, 6.0, 24.0 + number, 22.0)
    return [cat] if number % 2 else [cat, ("dog", 30.0, 20.0 + number, 40.0, 32.0 + number)]


def corners(box: Box) -> list[tuple[float, float]]:
    """Its corners, from the upper left one on."""
    _, left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def outline(box: Box) -> list[float]:
    """The same as x, y, x, y, ..."""
    return [value for corner in corners(box) for value in corner]


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """A picture like no other of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(int.from_bytes(path.stem.encode(), "big") % 2**32)
    cv2.imwrite(str(path), random.integers(0, 255, (height, width, 3), np.uint8))
    return path


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def yolo_lines(stem: str, names: list[str] = NAMES) -> str:
    rows = (
        (names.index(name), (l + r) / 2 / WIDTH, (t + b) / 2 / HEIGHT, (r - l) / WIDTH, (b - t) / HEIGHT)
        for name, l, t, r, b in boxes(stem)  # noqa: E741
    )
    return "".join(" ".join(f"{value:.6g}" for value in row) + "\n" for row in rows)


@dataclass
class Coco:
    """How a tool writes COCO json.

    Attributes:
        first: The first class id.
        file_name: File name of a picture, by its stem.
        of_image: What it writes beside the usual fields of an image.
        of_object: The same for an object.
        of_category: The same for a class.
        placeholder: Classes that it writes before the others.
        info: What it says of itself.
        outlines: Whether objects have outlines.
    """

    first: int = 1
    file_name: Callable[[str], str] = "{}.jpg".format
    of_image: Mapping[str, object] = field(default_factory=dict)
    of_object: Mapping[str, object] = field(default_factory=dict)
    of_category: Mapping[str, object] = field(default_factory=dict)
    placeholder: Iterable[Mapping[str, object]] = ()
    info: Mapping[str, object] = field(default_factory=dict)
    outlines: bool = False

    def text(self, stems: list[str]) -> str:
        found: list[dict[str, object]] = []
        for stem in stems:
            for box in boxes(stem):
                name, left, top, right, bottom = box
                wide, high = right - left, bottom - top
                found.append(
                    {
                        "id": len(found) + self.first,
                        "image_id": stems.index(stem) + self.first,
                        "category_id": NAMES.index(name) + max(self.first, len(list(self.placeholder))),
                        "bbox": [left, top, wide, high],
                        "area": wide * high,
                        "segmentation": [outline(box)] if self.outlines else [],
                        "iscrowd": 0,
                        **self.of_object,
                    }
                )
        start = max(self.first, len(list(self.placeholder)))
        content = {
            "info": dict(self.info),
            "licenses": [{"id": self.first, "url": "", "name": ""}],
            "categories": [
                *self.placeholder,
                *({"id": start + n, "name": name, **self.of_category} for n, name in enumerate(NAMES)),
            ],
            "images": [
                {
                    "id": n + self.first,
                    "file_name": self.file_name(stem),
                    "width": WIDTH,
                    "height": HEIGHT,
                    **self.of_image,
                }
                for n, stem in enumerate(stems)
            ],
            "annotations": found,
        }
        return json.dumps(content)
