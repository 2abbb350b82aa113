"""FiftyOneImageDetectionDataset: `data/` and `labels.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdpipe.data.importing.objects import Picture, Read, Shape, numbers_of, seen_names, wrong

TOOL = "FiftyOne json"
BOX_VALUES = 4


def is_fiftyone(content: Any) -> bool:
    """Whether content of a json file is FiftyOne's."""
    return isinstance(content, dict) and isinstance(content.get("labels"), dict) and "classes" in content


def read(file: Path, content: Mapping[str, Any], folder: Path) -> Read:
    """Pictures and objects; coordinates are shares of width and height.

    Args:
        file: The file.
        content: Its content.
        folder: Folder in which the images are looked for.

    Raises:
        DataError: naming the object that is broken.
    """
    found = content["classes"] or []
    if not isinstance(found, list):
        raise wrong(TOOL, file, "`classes` must be a list of names")
    classes = [str(name) for name in found]
    pictures = []
    for name, objects in content["labels"].items():
        if objects is not None and not isinstance(objects, list):
            raise wrong(TOOL, file, "it needs a list of objects", name)
        shapes = [
            _shape(file, classes, one, f"{name}, object {n}") for n, one in enumerate(objects or (), start=1)
        ]
        pictures.append(Picture([name], None, shapes))
    return Read(TOOL, file, seen_names(pictures, classes), pictures, folder, shares=True)


def _shape(file: Path, classes: list[str], entry: Any, where: str) -> Shape:
    if not isinstance(entry, dict) or "label" not in entry or "bounding_box" not in entry:
        raise wrong(TOOL, file, "it has no `label` or no `bounding_box`", where)
    label = entry["label"]
    if isinstance(label, int):
        if not 0 <= label < len(classes):
            raise wrong(TOOL, file, f"label {label} outside 0..{len(classes) - 1}", where)
        label = classes[label]
    if not isinstance(label, str):
        raise wrong(TOOL, file, "`label` must be the number or the name of a class", where)
    values = numbers_of(entry["bounding_box"], TOOL, file, where)
    if len(values) != BOX_VALUES:
        raise wrong(TOOL, file, f"a box of {len(values)} numbers; it needs left, top, width, height", where)
    left, top, width, height = values
    return Shape(label, where, (left, top, left + width, top + height))
