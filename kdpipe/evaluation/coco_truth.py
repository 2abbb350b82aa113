"""Ground truth from an annotation file of COCO that lies anywhere, as other tools evaluate against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotcoco import COCO, mask
from pydantic import TypeAdapter

from kdpipe.errors import DataError
from kdpipe.evaluation.coco_json import Annotation, Annotations, Image, place_of, read_json
from kdpipe.evaluation.truth import VALUES_OF_POINT, Truth, default_sigmas

EXPECTED = "a file of COCO annotations: an object with `images`, `annotations` and `categories`"


@dataclass(frozen=True)
class CocoFile:
    """An annotation file of COCO.

    Attributes:
        path: The file.
        truth: What it says; images and classes have numbers from 1 on, in the order of their ids, and an
            image is named by its number.
        images: Names of the images by their ids in the file.
        categories: Numbers of the classes by their ids in the file.
        keypoints: Number of keypoints of an object; 0 for other tasks.
    """

    path: Path
    truth: Truth
    images: Mapping[int, str]
    categories: Mapping[int, int]
    keypoints: int = 0


def load_coco_file(path: Path, task: str) -> CocoFile:
    """Read an annotation file of COCO, with its areas and crowds.

    Args:
        path: The file.
        task: What is measured: detect, segment or pose.

    Raises:
        DataError: if it is no annotation file, contradicts itself, or has no object that counts.
    """
    read = read_json(path, TypeAdapter(Annotations), EXPECTED)
    images = _numbered(path, "images", (image.id for image in read.images))
    categories = _numbered(path, "categories", (category.id for category in read.categories))
    by_id = {image.id: image for image in read.images}
    objects = []
    for number, found in enumerate(read.annotations):
        place = f"{path}: {place_of('annotations', number)}"
        _check_ids(place, found, images, categories)
        own = _OWN[task](place, found, by_id[found.image_id])
        numbers = {"id": number + 1, "image_id": images[found.image_id]}
        numbers["category_id"] = categories[found.category_id]
        objects.append({**numbers, "bbox": list(found.bbox), "iscrowd": int(bool(found.iscrowd)), **own})
    if all(one["iscrowd"] or one.get("num_keypoints") == 0 for one in objects):
        raise DataError(f"{path} has no object that counts, so that AP is not defined")
    names = {categories[one.id]: str(one.id if one.name is None else one.name) for one in read.categories}
    keypoints = _keypoints_of_all(path, objects) if task == "pose" else 0
    truth = Truth(
        coco=COCO(
            {
                "images": [_image(images[one.id], one) for one in read.images],
                "categories": [{"id": number, "name": name} for number, name in sorted(names.items())],
                "annotations": objects,
            }
        ),
        image_ids={str(images[one.id]): images[one.id] for one in read.images},
        names=[name for _, name in sorted(names.items())],
        task=task,
        sizes={str(images[one.id]): (one.width or 0, one.height or 0) for one in read.images},
        sigmas=default_sigmas((keypoints, VALUES_OF_POINT)) if keypoints else None,
        annotated=True,
    )
    return CocoFile(path, truth, {id_: str(n) for id_, n in images.items()}, categories, keypoints)


def _numbered(path: Path, what: str, ids: Iterable[int]) -> dict[int, int]:
    """Numbers from 1 on by id: ids of any size are kept apart, and equal scores keep their order."""
    counts = Counter(ids)
    if twice := [id_ for id_, times in counts.items() if times > 1]:
        raise DataError(f"{path}: the id {twice[0]} is given to several {what}; write one entry for each id")
    return {id_: number for number, id_ in enumerate(sorted(counts), start=1)}


def _image(number: int, image: Image) -> dict[str, Any]:
    return {"id": number, "width": image.width or 0, "height": image.height or 0}


def _check_ids(
    place: str, found: Annotation, images: Mapping[int, int], categories: Mapping[int, int]
) -> None:
    for key, given, known in (
        ("image_id", found.image_id, images),
        ("category_id", found.category_id, categories),
    ):
        if given not in known:
            raise DataError(f"{place}.{key} is {given}, which this file does not list")


def _box(_place: str, found: Annotation, _image: Image) -> dict[str, Any]:
    return {"area": found.bbox[2] * found.bbox[3] if found.area is None else found.area}


def _outline(place: str, found: Annotation, image: Image) -> dict[str, Any]:
    if not found.segmentation:
        raise DataError(f"{place} has no `segmentation`, which segment is measured by")
    if not image.width or not image.height:
        raise DataError(f"{place} is in image {image.id}, which has no width and height")
    try:
        runs = mask.fr_py_objects(found.segmentation, image.height, image.width)
        area = mask.area(mask.merge(runs))
    except (ValueError, TypeError) as error:
        raise DataError(f"{place}.segmentation is no outline and no mask: {error}") from error
    return {"segmentation": found.segmentation, "area": area if found.area is None else found.area}


def _keypoints(place: str, found: Annotation, _image: Image) -> dict[str, Any]:
    for name, value in (("keypoints", found.keypoints), ("area", found.area)):
        if value is None:
            raise DataError(f"{place} has no `{name}`, which pose is measured by")
    points = found.keypoints or []
    seen = sum(visible > 0 for visible in points[2::VALUES_OF_POINT])
    labelled = seen if found.num_keypoints is None else found.num_keypoints
    return {"keypoints": points, "num_keypoints": labelled, "area": found.area}


_OWN: dict[str, Callable[[str, Annotation, Image], dict[str, Any]]] = {
    "detect": _box,
    "segment": _outline,
    "pose": _keypoints,
}
TASKS_OF_COCO = tuple(_OWN)  # rotated boxes are not among them


def _keypoints_of_all(path: Path, objects: Sequence[Mapping[str, Any]]) -> int:
    counts = {len(one["keypoints"]) for one in objects}
    if len(counts) > 1 or max(counts) % VALUES_OF_POINT:
        found = ", ".join(map(str, sorted(counts)))
        raise DataError(f"{path}: `keypoints` have {found} values; write x, y and visibility for each")
    return max(counts) // VALUES_OF_POINT
