"""COCO json, as Roboflow, CVAT, Label Studio, FiftyOne and others export it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdpipe.data.importing.annotations import listed
from kdpipe.data.importing.objects import Picture, Read, Shape, finite, wrong
from kdpipe.errors import DataError, counted

TOOL = "COCO json"
TOOLS = {
    "roboflow": "COCO json of Roboflow",
    "label studio": "COCO json of Label Studio",
    "via": "COCO json of VIA",
}
NOTHING = ("", "none", None)


def is_coco(content: Any) -> bool:
    """Whether content of a json file is COCO's."""
    return isinstance(content, dict) and isinstance(content.get("images"), list) and "annotations" in content


def is_panoptic(content: Any) -> bool:
    """Whether it is COCO's panoptic form, whose objects are in PNG files."""
    found = content.get("annotations") if is_coco(content) else None
    return isinstance(found, list) and any(isinstance(one, dict) and "segments_info" in one for one in found)


def read(file: Path, content: dict[str, Any], folder: Path) -> Read:
    """Pictures and objects of a COCO json.

    Args:
        file: The file.
        content: Its content; each object is an image's id and a `Shape`.
        folder: Folder in which the images are looked for.

    Raises:
        DataError: naming the entry that is broken.
    """
    tool = _tool(content)
    categories = _entries(tool, file, content, "categories", ("id", "name"))
    categories = sorted(categories, key=lambda one: (str(type(one["id"])), one["id"]))
    objects = _objects(tool, file, content)
    categories, said = _without_placeholder(categories, objects)
    numbers = {category["id"]: number for number, category in enumerate(categories)}
    if len(numbers) < len(categories):
        raise wrong(tool, file, "two categories have the same id; export it again")
    return Read(
        tool,
        file,
        [str(category["name"]).strip() for category in categories],
        _pictures(tool, file, content, objects),
        folder,
        numbers=numbers,
        place="annotation",
        said=said,
    )


def _tool(content: Mapping[str, Any]) -> str:
    said = str(content.get("info", "")).lower()
    return next((name for word, name in TOOLS.items() if word in said), TOOL)


def _entries(
    tool: str, file: Path, content: Mapping[str, Any], key: str, needed: Sequence[str]
) -> list[dict[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise wrong(tool, file, f"`{key}` is missing; export it again")
    for number, entry in enumerate(entries):
        for name in needed:
            if not isinstance(entry, dict) or entry.get(name) in (None, ""):
                raise wrong(tool, file, f"{key}[{number}] has no `{name}`")
            _check_id(entry[name], name, tool, file, f"{key}[{number}]")
    return entries


def _check_id(value: object, name: str, tool: str, file: Path, where: str) -> None:
    if not isinstance(value, (str, int, float)):
        raise wrong(tool, file, f"{where}: `{name}` must be a number or a text, not {str(value)[:20]}")


def _objects(tool: str, file: Path, content: Mapping[str, Any]) -> dict[Any, list[Shape]]:
    found: defaultdict[Any, list[Shape]] = defaultdict(list)
    annotations = content["annotations"]
    for number, entry in enumerate(annotations if isinstance(annotations, list) else [annotations]):
        if not isinstance(entry, tuple):
            what = "has a caption and no box" if isinstance(entry, dict) and "caption" in entry else "has no"
            missing = "" if "caption" in what else " `image_id` or no `category_id`"
            raise wrong(tool, file, f"annotations[{number}] {what}{missing}; export objects with boxes")
        image, shape = entry
        _check_id(image, "image_id", tool, file, f"annotations[{number}]")
        _check_id(shape.label, "category_id", tool, file, f"annotations[{number}]")
        if shape.where is None:
            shape.where = f"annotations[{number}]"
        found[image].append(shape)
    return found


def _without_placeholder(
    categories: list[dict[str, Any]], objects: Mapping[Any, Sequence[Shape]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The classes without Roboflow's class 0, which is the name of their group and never of an object."""
    if len(categories) < 2:  # noqa: PLR2004
        return categories, []
    first, others = categories[0], categories[1:]
    is_group = all(one.get("supercategory") == first["name"] for one in others)
    used = any(shape.label == first["id"] for shapes in objects.values() for shape in shapes)
    if used or first["id"] != 0 or not is_group or first.get("supercategory") not in NOTHING:
        return categories, []
    why = "no object has it, and it is the name of the group of the others"
    return others, [f"class 0, {first['name']}, is left out, as in Roboflow's YOLO export: {why}"]


def _pictures(
    tool: str, file: Path, content: Mapping[str, Any], objects: Mapping[Any, list[Shape]]
) -> list[Picture]:
    images = _entries(tool, file, content, "images", ("id", "file_name"))
    found: dict[Any, Picture] = {}
    for image in images:
        if image["id"] in found:
            raise wrong(tool, file, f"two images have the id {image['id']}; export it again")
        size = _size(tool, file, image)
        found[image["id"]] = Picture([str(image["file_name"])], size, objects.get(image["id"], []))
    if strangers := [shapes[0].where for image, shapes in objects.items() if image not in found]:
        lost = counted(len(strangers), "image that is not in `images`", "images that are not in `images`")
        raise wrong(tool, file, f"annotations are of {lost}: annotation {listed(strangers)}; export it again")
    return list(found.values())


def _size(tool: str, file: Path, image: Mapping[str, Any]) -> tuple[float, float] | None:
    width, height = image.get("width"), image.get("height")
    if width is None or height is None:
        return None
    size = finite([width, height])
    if size is None:
        raise wrong(tool, file, f"{image['file_name']}: `width` and `height` must be numbers")
    if min(size) <= 0:
        raise wrong(tool, file, f"{image['file_name']} has width or height 0; write its size in pixels")
    return size[0], size[1]


def refuse_panoptic(file: Path) -> DataError:
    """The error for COCO's panoptic form."""
    return wrong(
        "COCO panoptic", file, "objects are in PNG files, which kdpipe does not read; give instances_*.json"
    )
