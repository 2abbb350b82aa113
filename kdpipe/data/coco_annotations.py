"""COCO annotation files, if they are stored beside the images.

They contain what Ultralytics' label files do not: crowds, which count neither as right nor as wrong, and the
areas of the object outlines. Published AP is computed with them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdpipe.data.labels import Box, Label
from kdpipe.data.listing import some
from kdpipe.errors import counted

FOLDER = "annotations"
FILES = {"detect": "instances", "segment": "instances", "pose": "person_keypoints"}
# Boxes of COCO's label files are those of the outlines, which differ a little, and a few objects are lost.
SAME, MOST_UNLIKE = 0.5, 0.01  # IoU of two boxes of one object; share of images whose objects may differ

Object = tuple[int, list[float]]  # class id, and left, top, width, height in shares of the image


class _MisfitError(Exception):
    """Annotations of other images or classes; the message is half a sentence."""


@dataclass(frozen=True)
class Labelled:
    """An image of the prepared data set: its file name there, and its labels."""

    name: str
    labels: Sequence[Label]


def find(root: Path, entry: object, task: str) -> Path | None:
    """Find the annotation file of a split by COCO's naming rule.

    For `val2017.txt` it is `annotations/instances_val2017.json`, or `person_keypoints_val2017.json` for pose.

    Args:
        root: Root folder of the data set.
        entry: Value of the split in the data yaml: a list file or an image folder.
        task: Task of the labels.
    """
    if not isinstance(entry, str) or task not in FILES:
        return None
    path = root / FOLDER / f"{FILES[task]}_{Path(entry).stem}.json"
    return path if path.is_file() else None


def carry(
    path: Path, names: Mapping[int, str], images: Mapping[str, Labelled], out: Path, task: str
) -> str | None:
    """Copy the annotations of a split, with class ids that start at 1, if they fit its images and labels.

    Args:
        path: The annotation file.
        names: Class names by id in the data yaml.
        images: The images of the split, by their names in the annotation file.
        out: Path of the copy, named after the split.
        task: Task of the labels.

    Returns:
        A warning about what does not fit, or None.
    """
    try:
        carried = _carried(json.loads(path.read_text(encoding="utf-8")), names, images)
        by_new_name = {image.name: (name, image.labels) for name, image in images.items()}
        unlike = list(_unlike(carried, by_new_name, task))
    except _MisfitError as error:
        return _not_used(path, out, str(error))
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        return _not_used(path, out, f"is no annotation file of COCO ({type(error).__name__}: {error})")
    differing = f"has other objects than the label files of {counted(len(unlike), 'image')}: {some(unlike)}"
    if len(unlike) > MOST_UNLIKE * len(images):
        return _not_used(path, out, differing)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(carried), encoding="utf-8")
    return f"{out.stem}: {path} {differing}" if unlike else None


def _not_used(path: Path, out: Path, reason: str) -> str:
    return f"{out.stem} is measured against its label files: {path} {reason}"


def _carried(
    content: dict[str, Any], names: Mapping[int, str], images: Mapping[str, Labelled]
) -> dict[str, Any]:
    categories = {category["name"]: category["id"] for category in content["categories"]}
    known = [image for image in content["images"] if image["file_name"] in images]
    if unknown := [name for name in names.values() if name not in categories]:
        raise _MisfitError(f"has no class {unknown[0]!r}")
    if len(known) < len(images):
        raise _MisfitError(f"has {len(known)} of {counted(len(images), 'image')}")
    class_ids = {categories[name]: number + 1 for number, name in names.items()}
    ids = {image["id"] for image in known}
    return {
        "images": [{**image, "file_name": images[image["file_name"]].name} for image in known],
        "categories": [{"id": number + 1, "name": name} for number, name in names.items()],
        "annotations": [
            {**annotation, "category_id": class_ids[annotation["category_id"]]}
            for annotation in content["annotations"]
            if annotation["image_id"] in ids and annotation["category_id"] in class_ids
        ],
    }


def _unlike(
    carried: Mapping[str, Any], labels: Mapping[str, tuple[str, Sequence[Label]]], task: str
) -> Iterator[str]:
    """Yield the images whose annotated objects are not those of the label file."""
    annotated = defaultdict(list)
    for annotation in carried["annotations"]:
        if _is_learned(annotation, task):
            annotated[annotation["image_id"]].append(annotation)
    for image in carried["images"]:
        name, own = labels[image["file_name"]]
        sides = image["width"], image["height"]
        found = [(one["category_id"] - 1, _shares(one["bbox"], *sides)) for one in annotated[image["id"]]]
        if not _are_same(found, [(label.class_id, _cornered(label.box)) for label in own]):
            yield name


def _is_learned(annotation: Mapping[str, Any], task: str) -> bool:
    """Whether an object is in label files: it is no crowd, has an area, and for pose a labelled keypoint."""
    if annotation.get("iscrowd") or min(annotation["bbox"][2:]) <= 0:
        return False
    return task != "pose" or any((annotation.get("keypoints") or [])[2::3])


def _are_same(objects: Sequence[Object], others: Sequence[Object]) -> bool:
    """Whether each object has one of the others, of its class and nearly at its place."""
    if len(objects) != len(others) or not objects:
        return len(objects) == len(others)
    from hotcoco import mask  # every check imports this module
    from scipy.optimize import linear_sum_assignment

    (classes, boxes), (other_classes, other_boxes) = zip(*objects, strict=True), zip(*others, strict=True)
    overlaps = mask.iou(boxes, other_boxes, [False] * len(others))
    same = (overlaps >= SAME) & np.equal.outer(classes, other_classes)
    return bool(same[linear_sum_assignment(same, maximize=True)].all())


def _shares(bbox: Sequence[float], width: int, height: int) -> list[float]:
    left, top, wide, high = bbox
    return [left / width, top / height, wide / width, high / height]


def _cornered(box: Box) -> list[float]:
    x, y, width, height = box
    return [x - width / 2, y - height / 2, width, height]
