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

from kdpipe.data import coco_annotations
from kdpipe.data.images import Size, shown_size
from kdpipe.data.labels import Label, LabelRules
from kdpipe.data.manifest import Manifest, load_manifest
from kdpipe.data.names import read_fields
from kdpipe.errors import KdpipeError

AREA_OF_BOX = 0.53  # object area as a share of the box area, as in Ultralytics for keypoints
VALUES_OF_POINT = 3  # x, y, and visibility or confidence
COCO_KPT_SHAPE = (17, VALUES_OF_POINT)
# Standard deviation of human annotators by keypoint (cocodataset.org, keypoint evaluation).
COCO_SIGMAS = [s / 1000 for s in (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)]


@dataclass(frozen=True)
class LabelledImage:
    """An image of a prepared data set: file name, width and height in pixels, and labels."""

    name: str
    size: Size
    labels: list[Label]


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
        annotated: Whether these are COCO's own annotations, not labels.
    """

    coco: COCO
    image_ids: dict[str, int]
    names: list[str]
    task: str = "detect"
    sizes: dict[str, Size] = field(default_factory=dict)
    sigmas: list[float] | None = None
    annotated: bool = False


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
        return _truth(json.loads(annotations.read_text(encoding="utf-8")), manifest, dataset, annotated=True)
    labelled = list(labelled_images(dataset, split, manifest))
    if not labelled:
        raise KdpipeError(f"{dataset} has no images for {split}")
    objects = [
        {"image_id": number, **annotation}
        for number, image in enumerate(labelled, start=1)
        for annotation in _annotations(image, manifest)
    ]
    content = {
        "images": [
            {"id": number, "file_name": image.name, "width": image.size[0], "height": image.size[1]}
            for number, image in enumerate(labelled, start=1)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(manifest.names, start=1)],
        "annotations": [{"id": i, "iscrowd": 0, **found} for i, found in enumerate(objects, start=1)],
    }
    return _truth(content, manifest, dataset)


def labelled_images(dataset: Path, split: str, manifest: Manifest) -> Iterator[LabelledImage]:
    """Yield the images of a split of a prepared data set with their labels, sorted by name.

    Args:
        dataset: Folder of the data set.
        split: Name of the split.
        manifest: Its manifest.
    """
    for path in sorted((dataset / "images" / split).glob("*")):
        text = (dataset / "labels" / split / path.name).with_suffix(".txt").read_text(encoding="utf-8")
        yield LabelledImage(path.name, shown_size(path), manifest.rules.parse(text)[0])


def _truth(content: dict[str, Any], manifest: Manifest, dataset: Path, *, annotated: bool = False) -> Truth:
    images = content["images"]
    return Truth(
        coco=COCO(content),
        image_ids={image["file_name"]: image["id"] for image in images},
        names=manifest.names,
        task=manifest.task,
        sizes={image["file_name"]: (image["width"], image["height"]) for image in images},
        sigmas=_sigmas(manifest.rules, dataset / "data.yaml"),
        annotated=annotated,
    )


def _sigmas(rules: LabelRules, yaml: Path) -> list[float] | None:
    """Sigmas from the data yaml; else COCO's for COCO's keypoints, or equal ones, as in Ultralytics."""
    if rules.kpt_shape is None or rules.task != "pose":
        return None
    fields = read_fields(yaml)
    if own := fields.get("kpt_oks_sigmas"):
        return [float(sigma) for sigma in own]
    return default_sigmas(rules.kpt_shape)


def default_sigmas(kpt_shape: tuple[int, int]) -> list[float]:
    """COCO's sigmas for COCO's keypoints, else equal ones, as in Ultralytics.

    `kpt_shape` is the number of keypoints, and the number of values of each.
    """
    count = kpt_shape[0]
    return COCO_SIGMAS if kpt_shape == COCO_KPT_SHAPE else [1 / count] * count


def _annotations(image: LabelledImage, manifest: Manifest) -> Iterator[dict[str, Any]]:
    size = image.size
    for label in image.labels:
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
