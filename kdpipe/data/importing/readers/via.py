"""VGG Image Annotator (VIA): json of a project or of its regions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdpipe.data.importing.geometry import ellipse
from kdpipe.data.importing.objects import Picture, Read, Shape, numbers_of, seen_names, wrong
from kdpipe.errors import DataError

TOOL = "VIA json"
PROJECT = "_via_img_metadata"
CLASS_KEYS = ("class", "label", "name", "type", "object", "category")


def is_via(content: Any) -> bool:
    """Whether content of a json file is VIA's: a project, or entries with a file name and regions."""
    if not isinstance(content, dict) or not content:
        return False
    entries = list(_entries(content))
    return PROJECT in content or all(
        isinstance(entry, dict) and "filename" in entry and "regions" in entry for entry in entries
    )


def _entries(content: Mapping[str, Any]) -> Iterable[Any]:
    found = content.get(PROJECT, content)
    return found.values() if isinstance(found, dict) else ()


def read(file: Path, content: Mapping[str, Any], folder: Path) -> Read:
    """Pictures and regions; classes in the order of the project's options, else by the alphabet.

    Args:
        file: The file.
        content: Its content.
        folder: Folder in which the images are looked for.

    Raises:
        DataError: naming the picture and the region that is broken, or if no attribute is surely the class.
    """
    entries = list(_entries(content))
    for entry in entries:
        _check(file, entry)
    key = _class_key(file, entries)
    skipped: Counter[str] = Counter()
    pictures = [
        Picture([entry["filename"]], None, list(_shapes(file, entry, key, skipped))) for entry in entries
    ]
    options: Any = content
    for step in ("_via_attributes", "region", key, "options"):
        options = options.get(step) if isinstance(options, dict) else None
    names = [name for name in options if name] if isinstance(options, dict) else []
    return Read(TOOL, file, seen_names(pictures, names), pictures, folder, skipped=skipped)


def _check(file: Path, entry: Any) -> None:
    """Refuse an entry that has not the form of VIA's."""
    if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
        raise wrong(TOOL, file, "a picture has no `filename`")
    if not isinstance(entry.get("regions") or [], (dict, list)):
        raise wrong(TOOL, file, "`regions` must be a list", entry["filename"])
    for number, region in enumerate(_regions(entry), start=1):
        for key in ("region_attributes", "shape_attributes"):
            if not isinstance(region, dict) or not isinstance(region.get(key, {}), dict):
                where = f"{entry['filename']}, region {number}"
                raise wrong(TOOL, file, f"`{key}` must be names with values", where)


def _regions(entry: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    regions = entry.get("regions") or ()
    return list(regions.values()) if isinstance(regions, dict) else regions  # a mapping in VIA 1


def _class_key(file: Path, entries: Sequence[Mapping[str, Any]]) -> str:
    """The attribute of the regions that is the class."""
    used = Counter(
        key for entry in entries for region in _regions(entry) for key in region.get("region_attributes", {})
    )
    if len(used) == 1:
        return str(next(iter(used)))
    if known := [key for key in CLASS_KEYS if key in used]:
        return known[0]
    if not any(_regions(entry) for entry in entries):
        return ""
    found = ", ".join(used) or "none"
    raise wrong(TOOL, file, f"which attribute of the regions is the class? Call it `class`; found: {found}")


def _shapes(file: Path, entry: Mapping[str, Any], key: str, skipped: Counter[str]) -> Iterator[Shape]:
    for number, region in enumerate(_regions(entry), start=1):
        where = f"{entry['filename']}, region {number}"
        name = _name(region.get("region_attributes", {}).get(key))
        if not name:
            raise wrong(TOOL, file, f"it has no class (attribute `{key}`)", where)
        given = region.get("shape_attributes", {})
        shape = Shape(name, where)
        try:
            if not _place(shape, given, file):
                skipped[str(given.get("name"))] += 1
                continue
        except KeyError as error:
            raise wrong(TOOL, file, f"the {given.get('name')} has no {error}", where) from None
        yield shape


def _name(value: Any) -> str:
    """A class name: a text, or the only option that is set."""
    if isinstance(value, dict):
        chosen = [name for name, is_set in value.items() if is_set]
        return chosen[0] if len(chosen) == 1 else ""
    return str(value or "").strip()


def _place(shape: Shape, given: Mapping[str, Any], file: Path) -> bool:
    """Set where a region is; False if it is of a kind without area."""

    def numbers(*keys: str) -> list[float]:
        return numbers_of([given[key] for key in keys], TOOL, file, shape.where)

    kind = given.get("name")
    if kind == "rect":
        left, top, width, height = numbers("x", "y", "width", "height")
        shape.box = left, top, left + width, top + height
    elif kind == "polygon":
        xs, ys = (numbers_of(given[f"all_points_{axis}"], TOOL, file, shape.where) for axis in ("x", "y"))
        shape.parts = [[value for pair in zip(xs, ys, strict=False) for value in pair]]
    elif kind == "circle":
        x, y, radius = numbers("cx", "cy", "r")
        shape.parts = [ellipse(x, y, (radius, radius))]
    elif kind == "ellipse":
        x, y, across, down = numbers("cx", "cy", "rx", "ry")
        shape.parts = [ellipse(x, y, (across, down))]
    else:
        return False
    return True


def refuse_csv(file: Path) -> DataError:
    """The error for VIA's csv."""
    return wrong("VIA csv", file, "export the annotations as json")
