"""Pascal VOC: an xml file per image, as labelImg, Roboflow and CVAT write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from kdpipe.data.importing.annotations import listed
from kdpipe.data.importing.objects import Box, Picture, Read, Shape, numbers_of, seen_names, wrong
from kdpipe.data.importing.readers.xml_file import line_of, root_of, text_in
from kdpipe.errors import DataError

TOOL = "Pascal VOC"
DIFFICULT = "difficult objects of Pascal VOC"
SIDES = ("xmin", "ymin", "xmax", "ymax")


def read(files: Sequence[Path], folder: Path) -> Read:
    """Pictures and objects of xml files; classes by the alphabet.

    Args:
        files: The files.
        folder: Folder in which the images are looked for.

    Raises:
        DataError: naming the file and the line that is broken.
    """
    pictures, stale = [], []
    for file in files:
        root = root_of(file)
        if root.tag != "annotation":
            raise wrong(TOOL, file, f"the xml begins with <{root.tag}>, not with <annotation>", line_of(root))
        named = text_in(root, "filename").replace("\\", "/").rpartition("/")[2]
        if named and Path(named).stem != file.stem and named != file.stem:
            stale.append(f"{file.name} has {named}")
        pictures.append(Picture(_names(file, named), _size(root), list(_shapes(root, file))))
    said = []
    if stale:
        said.append(
            f"xml files whose <filename> is of another name: {len(stale)} ({listed(stale)}); the image with "
            "the name of the xml file is used where there is one"
        )
    return Read(TOOL, folder, seen_names(pictures), pictures, folder, said=said)


def _names(file: Path, named: str) -> list[str]:
    """Names to look for: that of the xml file, with the suffix in it, and then the one in it."""
    own = file.stem + Path(named).suffix if Path(named).stem != file.stem else named
    return list(dict.fromkeys(filter(None, (own, file.stem, named))))


def _size(root: ET.Element) -> tuple[float, float] | None:
    try:
        width, height = float(text_in(root, "size/width")), float(text_in(root, "size/height"))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _shapes(root: ET.Element, file: Path) -> Iterator[Shape]:
    for found in root.iter("object"):
        name = text_in(found, "name")
        if not name:
            raise wrong(TOOL, file, "an object has no <name>", line_of(found))
        shape = Shape(name, line_of(found), _box(found, file), _outline(found, file))
        if text_in(found, "difficult") == "1":
            shape.skip = DIFFICULT
        if not shape.box and not shape.parts:
            raise wrong(TOOL, file, f"the object {name} has no <bndbox>", line_of(found))
        yield shape


def _box(found: ET.Element, file: Path) -> Box | None:
    """The box; pixels count from 1, and the last one is inside."""
    bounds = found.find("bndbox")
    if bounds is None:
        return None
    left, top, right, bottom = numbers_of(
        [text_in(bounds, side) for side in SIDES], TOOL, file, line_of(bounds)
    )
    return left - 1, top - 1, right, bottom


def _outline(found: ET.Element, file: Path) -> list[list[float]]:
    """The outline, which Roboflow writes as x1, y1, x2, ..."""
    polygon = found.find("polygon")
    if polygon is None:
        return []
    points = {part.tag: part.text for part in polygon}
    count = sum(tag.startswith("x") for tag in points)
    words = [points.get(f"{axis}{number}") for number in range(1, count + 1) for axis in "xy"]
    try:
        return [numbers_of(words, TOOL, file, line_of(polygon))]
    except DataError:
        if found.find("bndbox") is not None:
            return []
        raise
