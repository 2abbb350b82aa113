"""CVAT xml: "CVAT for images"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from kdpipe.data.importing.geometry import ellipse, turned
from kdpipe.data.importing.objects import Picture, Read, Shape, numbers_of, seen_names, wrong
from kdpipe.data.importing.readers.xml_file import line_of, root_of

TOOL = "CVAT xml"
SIDES = ("xtl", "ytl", "xbr", "ybr")
LABELS = "meta//label/name"
NOT_SHAPES = ("tag", "attribute")


def read(file: Path, folder: Path, root: ET.Element | None = None) -> Read:
    """Pictures and objects of a CVAT xml; classes in the order of the task's labels.

    Args:
        file: The file.
        folder: Folder in which the images are looked for.
        root: Its tree, if it is known.

    Raises:
        DataError: naming the line that is broken.
    """
    tree = root_of(file) if root is None else root
    if tree.find("track") is not None and tree.find("image") is None:
        raise wrong(TOOL, file, 'this is "CVAT for video", which names no images; export "CVAT for images"')
    skipped: Counter[str] = Counter()
    pictures = [_picture(image, file, skipped) for image in tree.iter("image")]
    first = dict.fromkeys((name.text or "").strip() for name in tree.findall(LABELS))
    return Read(
        TOOL, file, seen_names(pictures, list(filter(None, first))), pictures, folder, skipped=skipped
    )


def _picture(image: ET.Element, file: Path, skipped: Counter[str]) -> Picture:
    name, subset = image.get("name", ""), image.get("subset", "")
    if not name:
        raise wrong(TOOL, file, "an image has no name", line_of(image))
    values = [image.get("width", ""), image.get("height", "")]
    size = numbers_of(values, TOOL, file, line_of(image)) if all(values) else None
    names = [f"{subset}/{name}", f"images/{subset}/{name}"] if subset else []
    width, height = size or (0, 0)
    shapes = [
        shape for element in image if (shape := _shape(element, file, (width, height), skipped)) is not None
    ]
    return Picture([*names, name], (width, height) if size else None, shapes, subset)


def _shape(element: ET.Element, file: Path, size: tuple[float, float], skipped: Counter[str]) -> Shape | None:
    if element.tag in NOT_SHAPES:
        return None
    if element.tag not in ("box", "polygon", "ellipse", "mask"):
        skipped[element.tag] += 1
        return None
    line = line_of(element)
    shape = Shape(element.get("label", "").strip(), line)
    if not shape.label:
        raise wrong(TOOL, file, f"a {element.tag} has no label", line)
    numbers = partial(_numbers, element.attrib, file, line)
    degrees = numbers(["rotation"])[0] if element.get("rotation") else 0.0
    if element.tag == "box":
        left, top, right, bottom = numbers(SIDES)
        shape.box = left, top, right, bottom
        shape.corners = turned(shape.box, degrees) if degrees else ()
    elif element.tag == "polygon":
        shape.parts = [_points(element.get("points", ""), file, line)]
    elif element.tag == "ellipse":
        x, y, across, down = numbers(("cx", "cy", "rx", "ry"))
        shape.parts = [ellipse(x, y, (across, down), degrees)]
    else:
        left, top, width, height = (int(value) for value in numbers(("left", "top", "width", "height")))
        runs = [int(run) for run in numbers_of(element.get("rle", "").split(","), TOOL, file, line)]
        if sum(runs) != width * height or min(runs) < 0:
            raise wrong(TOOL, file, f"the mask has {sum(runs)} pixels, not {width} x {height}", line)
        shape.mask = partial(_mask, runs, (left, top, width, height), size)
        shape.box = left, top, left + width, top + height
    return shape


def _numbers(attributes: Mapping[str, str], file: Path, line: int, names: Iterable[str]) -> list[float]:
    return numbers_of([attributes.get(name, f"no {name}") for name in names], TOOL, file, line)


def _points(text: str, file: Path, line: int) -> list[float]:
    return numbers_of([word for pair in text.split(";") for word in pair.split(",")], TOOL, file, line)


def _mask(runs: list[int], place: tuple[int, int, int, int], size: tuple[float, float]) -> NDArray[np.uint8]:
    """The mask: lengths of runs of 0 and 1 by turns, row by row within left, top, width, height."""
    left, top, width, height = place
    inside = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8).reshape(height, width)
    mask = np.zeros((max(int(size[1]), top + height), max(int(size[0]), left + width)), np.uint8)
    mask[top : top + height, left : left + width] = inside
    return mask
