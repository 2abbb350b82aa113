"""Convert the labels of a prepared data set to the input of COCO's evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hotcoco import COCO, mask
from numpy.typing import NDArray
from PIL import Image

from kdpipe.data import coco_annotations
from kdpipe.data.labels import Label, LabelRules
from kdpipe.data.manifest import Manifest, load_manifest
from kdpipe.data.names import read_fields
from kdpipe.errors import KdpipeError

EXIF_ORIENTATION, EXIF_TURNED = 0x0112, (5, 6, 7, 8)  # rotated by 90 degrees: width and height are swapped
AREA_OF_BOX = 0.53  # object area as a share of the box area, as in Ultralytics for keypoints
COCO_KPT_SHAPE = (17, 3)
# Standard deviation of human annotators by keypoint (cocodataset.org, keypoint evaluation).
COCO_SIGMAS = [s / 1000 for s in (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)]

Size = tuple[int, int]


@dataclass(frozen=True)
class Truth:
    """Labelled objects of a split.

    Attributes:
        coco: The annotations; ids of classes and images start at 1.
        image_ids: Image ids by file name.
        names: Class names, ordered by class id.
        task: Task of the labels.
        sizes: Width and height of the images in pixels, by file name.
        sigmas: Tolerance of each keypoint in COCO's OKS; None without keypoints.
    """

    coco: COCO
    image_ids: dict[str, int]
    names: list[str]
    task: str = "detect"
    sizes: dict[str, Size] = field(default_factory=dict)
    sigmas: list[float] | None = None


def load_truth(dataset: Path, split: str) -> Truth:
    """Read the labels of a split of a prepared data set.

    COCO calls an object small, medium or large by its area. This is the area of the box, outline or rotated
    box; for pose it is a share of the box area, as in Ultralytics. Duplicate labels count once, as in
    Ultralytics. If the data set has COCO's own annotations, they are used instead, with their areas and
    crowds.

    Raises:
        KdpipeError: if the data set has no such split.
    """
    manifest = load_manifest(dataset)
    annotations = dataset / coco_annotations.FOLDER / f"{split}.json"
    if annotations.is_file():
        return _truth(json.loads(annotations.read_text()), manifest, dataset)
    images = sorted((dataset / "images" / split).glob("*"))
    if not images:
        raise KdpipeError(f"{dataset} has no images for {split}")
    sizes = {path.name: _size(path) for path in images}
    image_ids = {path.name: number for number, path in enumerate(images, start=1)}
    objects = [
        {"image_id": image_ids[path.name], **annotation}
        for path in images
        for annotation in _annotations(dataset, split, path, manifest, sizes[path.name])
    ]
    content = {
        "images": [
            {"id": image_ids[name], "file_name": name, "width": width, "height": height}
            for name, (width, height) in sizes.items()
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(manifest.names, start=1)],
        "annotations": [{"id": i, "iscrowd": 0, **found} for i, found in enumerate(objects, start=1)],
    }
    return _truth(content, manifest, dataset)


def _truth(content: dict[str, Any], manifest: Manifest, dataset: Path) -> Truth:
    images = content["images"]
    return Truth(
        coco=COCO(content),
        image_ids={image["file_name"]: image["id"] for image in images},
        names=manifest.names,
        task=manifest.task,
        sizes={image["file_name"]: (image["width"], image["height"]) for image in images},
        sigmas=_sigmas(manifest.rules, dataset / "data.yaml"),
    )


def _sigmas(rules: LabelRules, yaml: Path) -> list[float] | None:
    """Sigmas from the data yaml; else COCO's for COCO's keypoints, or equal ones, as in Ultralytics."""
    if rules.kpt_shape is None:
        return None
    fields = read_fields(yaml)
    if own := fields.get("kpt_oks_sigmas"):
        return [float(sigma) for sigma in own]
    count = rules.kpt_shape[0]
    return COCO_SIGMAS if rules.kpt_shape == COCO_KPT_SHAPE else [1 / count] * count


def _annotations(
    dataset: Path, split: str, image: Path, manifest: Manifest, size: Size
) -> Iterator[dict[str, Any]]:
    text = (dataset / "labels" / split / image.name).with_suffix(".txt").read_text()
    for label in dict.fromkeys(manifest.rules.parse(text)[0]):
        width, height = label.box[2] * size[0], label.box[3] * size[1]
        box = [label.box[0] * size[0] - width / 2, label.box[1] * size[1] - height / 2, width, height]
        annotation = {"category_id": label.class_id + 1, "bbox": box, "area": width * height}
        yield annotation | OWN[manifest.task](label, size, manifest.rules)


def _outline(label: Label, size: Size, rules: LabelRules) -> dict[str, Any]:
    polygon = _pixels(label, size, rules)[:, :2].flatten().tolist()
    area = float(mask.area(mask.fr_poly(polygon, size[1], size[0])))
    return {"segmentation": [polygon], "area": area}


def _keypoints(label: Label, size: Size, rules: LabelRules) -> dict[str, Any]:
    points = _pixels(label, size, rules)
    seen = int((points[:, 2] > 0).sum())
    area = label.box[2] * size[0] * label.box[3] * size[1] * AREA_OF_BOX
    return {"keypoints": points.flatten().tolist(), "num_keypoints": seen, "area": area}


def _rotated_box(label: Label, size: Size, rules: LabelRules) -> dict[str, Any]:
    corners = _pixels(label, size, rules)[:, :2].astype(np.float32)
    (x, y), (width, height), degrees = cv2.minAreaRect(corners)
    return {"obb": [x, y, width, height, float(np.radians(degrees))], "area": width * height}


OWN: dict[str, Callable[[Label, Size, LabelRules], dict[str, Any]]] = {
    "detect": lambda *_: {},
    "segment": _outline,
    "pose": _keypoints,
    "obb": _rotated_box,
}
"""Additional annotation fields of an object, by task."""


def _pixels(label: Label, size: Size, rules: LabelRules) -> NDArray[np.float64]:
    """The label's points, (n, 3): x and y in pixels, and visibility."""
    return np.array(rules.points(label), dtype=float) * (*size, 1)


def _size(path: Path) -> Size:
    """Width and height in pixels after EXIF rotation, as in Ultralytics."""
    with Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(EXIF_ORIENTATION) in EXIF_TURNED
    return (height, width) if turned else (width, height)
