"""Tables: TensorFlow's csv, as Roboflow exports it, and Open Images' csv."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from kdpipe.data.importing.annotations import listed, text_of
from kdpipe.data.importing.objects import Picture, Read, Shape, numbers_of, seen_names, wrong

TOOL, OPEN_IMAGES = "TensorFlow csv", "Open Images csv"
COLUMNS = ("filename", "class", "xmin", "ymin", "xmax", "ymax")
SIZE = ("width", "height")
OPEN_COLUMNS = ("ImageID", "LabelName", "XMin", "YMin", "XMax", "YMax")
CLASS_FILES = ("*class-descriptions*.csv", "metadata/classes.csv", "classes.csv")
Row = tuple[int, dict[str, str]]


def header_of(file: Path) -> list[str]:
    """The words of the first line."""
    rows = csv.reader(text_of(file, "csv").splitlines()[:1])
    return [word.strip() for word in next(rows, [])]


def is_table(file: Path) -> bool:
    """Whether a csv has TensorFlow's columns."""
    return set(COLUMNS) <= set(header_of(file))


def is_open_images(file: Path) -> bool:
    """Whether a csv has Open Images' columns."""
    return set(OPEN_COLUMNS) <= set(header_of(file))


def is_known(file: Path) -> bool:
    """Whether a csv is of either format."""
    return is_table(file) or is_open_images(file)


def read(file: Path, folder: Path) -> Read:
    """Pictures and objects of TensorFlow's csv; classes by the alphabet.

    Raises:
        DataError: naming the line that is broken.
    """
    pictures: dict[str, Picture] = {}
    for line, row in _rows(file, TOOL):
        name, label = row["filename"], row["class"]
        if not name or not label:
            raise wrong(TOOL, file, "the file name or the class is empty", line)
        left, top, right, bottom = numbers_of([row[key] for key in COLUMNS[2:]], TOOL, file, line)
        size = [row.get(key, "") for key in SIZE]
        width, height = numbers_of(size, TOOL, file, line) if all(size) else (0.0, 0.0)
        known = pictures.setdefault(name, Picture([name], (width, height)))
        if known.size != (width, height):
            raise wrong(TOOL, file, f"{name} has another width or height than in lines before", line)
        known.shapes.append(Shape(label, line, (left, top, right, bottom)))
    found = list(pictures.values())
    return Read(TOOL, file, seen_names(found), found, folder)


def read_open_images(file: Path, folder: Path) -> Read:
    """Pictures and objects of Open Images' csv; classes in the order of its class file, if it is near.

    Raises:
        DataError: naming the line that is broken.
    """
    names, said = _class_names(file)
    pictures: dict[str, Picture] = {}
    for line, row in _rows(file, OPEN_IMAGES):
        label = row["LabelName"]
        if not row["ImageID"] or not label:
            raise wrong(OPEN_IMAGES, file, "the image or the class is empty", line)
        left, top, right, bottom = numbers_of([row[key] for key in OPEN_COLUMNS[2:]], OPEN_IMAGES, file, line)
        shape = Shape(names.get(label, label), line, (left, top, right, bottom))
        shape.skip = "groups (`IsGroupOf`)" if row.get("IsGroupOf") == "1" else ""
        pictures.setdefault(row["ImageID"], Picture([row["ImageID"]], None)).shapes.append(shape)
    found = list(pictures.values())
    used = seen_names(found)
    ordered = [name for name in names.values() if name in used]
    return Read(OPEN_IMAGES, file, seen_names(found, ordered), found, folder, shares=True, said=said)


def _rows(file: Path, tool: str) -> Iterator[Row]:
    """Rows with their lines."""
    reader = csv.DictReader(text_of(file, "csv").splitlines(), skipinitialspace=True)
    fields: Sequence[str] = reader.fieldnames or ()
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            raise wrong(tool, file, f"{len(fields)} columns are needed: {', '.join(fields)}", line)
        yield line, {key.strip(): (value or "").strip() for key, value in row.items()}


def _class_names(file: Path) -> tuple[dict[str, str], list[str]]:
    """Class names by Open Images' codes, from the file with them."""
    for folder in (file.parent, file.parent.parent):
        for pattern in CLASS_FILES:
            if found := sorted(folder.glob(pattern)):
                rows = csv.reader(text_of(found[0], "class names").splitlines())
                return {row[0]: row[1] for row in rows if len(row) > 1}, []
    said = f"{file.name}: no class-descriptions-boxable.csv beside, so classes are called by their codes"
    return {}, [said]


def other_header(file: Path) -> str:
    """The columns of a csv, for a message."""
    return listed(header_of(file)) or "none"
