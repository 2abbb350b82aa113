"""labelme: a json file per image."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kdpipe.data.importing.geometry import CORNER_VALUES, around, ellipse
from kdpipe.data.importing.objects import Picture, Read, Shape, numbers_of, seen_names, wrong
from kdpipe.data.importing.readers.json_file import content_of
from kdpipe.data.labels import XY

TOOL = "labelme json"
RECTANGLES = ("rectangle", "mask")
LINES = ("line", "linestrip", "point", "points")


def is_labelme(content: Any) -> bool:
    """Whether content of a json file is labelme's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def read(files: Sequence[Path], folder: Path) -> Read:
    """Pictures and objects of json files; classes by the alphabet.

    Args:
        files: The files.
        folder: Folder in which the images are looked for.

    Raises:
        DataError: naming the file and the shape that is broken.
    """
    skipped: Counter[str] = Counter()
    pictures, others = [], []
    for file in files:
        content = content_of(file)
        if is_labelme(content):
            pictures.append(_picture(content, file, skipped))
        else:
            others.append(file.name)
    said = [f"json files that are not labelme's are left out: {', '.join(others)}"] if others else []
    return Read(TOOL, folder, seen_names(pictures), pictures, folder, skipped=skipped, said=said)


def _picture(content: Mapping[str, Any], file: Path, skipped: Counter[str]) -> Picture:
    named = str(content["imagePath"]).replace("\\", "/")
    last = named.rpartition("/")[2]
    own = file.stem + Path(last).suffix
    values = [content.get("imageWidth"), content.get("imageHeight")]
    size = numbers_of(values, TOOL, file) if all(values) else None
    found = [
        _shape(shape, file, number, size, skipped) for number, shape in enumerate(content["shapes"], start=1)
    ]
    shapes = [shape for shape in found if shape]
    return Picture(list(dict.fromkeys((own, named))), (size[0], size[1]) if size else None, shapes)


def _shape(
    entry: Any, file: Path, number: int, size: list[float] | None, skipped: Counter[str]
) -> Shape | None:
    where = f"shape {number}"
    if not isinstance(entry, dict) or not str(entry.get("label") or "").strip():
        raise wrong(TOOL, file, "it has no `label`", where)
    kind = str(entry.get("shape_type") or "polygon")
    if kind in LINES or kind not in (*RECTANGLES, "polygon", "circle", "oriented_rectangle"):
        skipped[kind] += 1
        return None
    points = numbers_of(_flat(entry.get("points") or []), TOOL, file, where)
    least = 6 if kind == "polygon" else 4
    if len(points) < least:
        raise wrong(TOOL, file, f"a {kind} of {len(points) // 2} points", where)
    shape = Shape(str(entry["label"]).strip(), where)
    if kind == "polygon":
        shape.parts = [points]
    elif kind == "circle":
        radius = math.dist(points[:2], points[2:4])
        shape.parts = [ellipse(points[0], points[1], (radius, radius))]
    elif len(points) == CORNER_VALUES:
        shape.corners = points
    else:
        shape.box = around(points)
        if kind == "mask" and entry.get("mask") and size:
            shape.mask = partial(_mask, str(entry["mask"]), shape.box, size)
    return shape


def _flat(points: Any) -> Any:
    """Points as x, y, x, y, ...; what are no points stays as it is, and is refused as no numbers."""
    if isinstance(points, list) and all(isinstance(point, list) and len(point) == XY for point in points):
        return [value for point in points for value in point]
    return points


def _mask(png: str, box: Sequence[float], size: Sequence[float]) -> NDArray[np.uint8]:
    """The mask of a PNG within a box, in the size of the picture; raises a ValueError if it is broken."""
    left, top = round(box[0]), round(box[1])
    content = np.frombuffer(base64.b64decode(png), np.uint8)
    inside = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    if inside is None:
        raise ValueError("a mask is no PNG")
    mask = np.zeros((int(size[1]), int(size[0])), np.uint8)
    place = mask[top : top + inside.shape[0], left : left + inside.shape[1]]
    place[:] = inside[: place.shape[0], : place.shape[1]] > 0
    return mask
