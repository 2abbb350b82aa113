"""Readers for annotation formats of other tools; the conversions are done by maintained libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hotcoco import COCO

from kdpipe.data.images import SUFFIXES as IMAGE_SUFFIXES
from kdpipe.data.label_files import label_path
from kdpipe.errors import DataError

NAME_FILES = ("classes.txt", "obj.names", "labels.txt")  # as labelImg, Darknet and others name them
# Fields that annotations need for each task; none of the formats has rotated boxes.
BESIDE_BOXES = {"detect": None, "segment": "segmentation", "pose": "keypoints", "obb": "rotated boxes"}
FEW = 3  # missing files that are listed in a message


@dataclass(frozen=True)
class Image:
    """An image file and its labels in Ultralytics' format, one object per line."""

    path: Path
    labels: str

    @property
    def classes(self) -> set[int]:
        """Class ids of the objects in the image."""
        return {int(float(line.split()[0])) for line in self.labels.splitlines() if line.strip()}

    def renumbered(self, numbers: Mapping[int, int]) -> Image:
        """A copy with other class ids; invalid ids are kept, so that the data set's check reports them."""
        rows = (line.split() for line in self.labels.splitlines() if line.strip())
        lines = (" ".join([_renumbered(own, numbers), *rest]) for own, *rest in rows)
        return replace(self, labels="".join(f"{line}\n" for line in lines))


@dataclass(frozen=True)
class Annotations:
    """Annotations from one file or folder.

    Attributes:
        names: Class names, ordered by class id.
        images: Images with their labels.
        extra: Other keys for the data yaml, such as `kpt_shape`.
        warnings: Messages for the user.
    """

    names: list[str]
    images: list[Image]
    extra: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def with_classes_of(self, names: list[str], split: str) -> Annotations:
        """A copy with the class ids of train; a split may lack classes, but may not have others.

        Raises:
            DataError: if the split has a class that train does not have.
        """
        unknown = [name for name in self.names if name not in names]
        if unknown:
            raise DataError(f"{split} has classes that train has not: {', '.join(unknown)}")
        numbers = {own: names.index(name) for own, name in enumerate(self.names)}
        return replace(self, images=[image.renumbered(numbers) for image in self.images])


def _renumbered(own: str, numbers: Mapping[int, int]) -> str:
    try:
        return str(numbers[int(float(own))])
    except (ValueError, OverflowError, KeyError):
        return own


def read(place: Path, task: str, images: Path | None) -> Annotations:
    """Read annotations, and detect their format: Pascal VOC, COCO JSON, CVAT XML or plain YOLO files.

    Args:
        place: A file or folder of annotations.
        task: Task of the labels.
        images: Folder of the images, if they are not beside the annotations.

    Raises:
        DataError: if the format is unknown or a file is broken.
    """
    try:
        if place.suffix == ".json":
            return _from_coco(COCO(str(place)), place.parent, task, images)
        if place.suffix == ".xml":
            return _from_coco(COCO.from_cvat(str(place)), place.parent, task, images)
        if place.is_dir() and (any(place.glob("*.xml")) or any(place.glob("Annotations/*.xml"))):
            return _from_coco(COCO.from_voc(str(place)), place, task, images)
        jsons = sorted(place.glob("*.json")) if place.is_dir() else []
        if len(jsons) == 1:
            return _from_coco(COCO(str(jsons[0])), place, task, images)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{place} cannot be read: {error}") from error
    if place.is_dir() and any(place.rglob("*.txt")):
        return _from_yolo(place, images)
    raise DataError(
        f"{place}: found no Pascal VOC (xml files), COCO (one json file), CVAT (an xml file) "
        "or YOLO (txt files)"
    )


def _from_coco(coco: COCO, folder: Path, task: str, images: Path | None) -> Annotations:
    health = coco.healthcheck()
    if health["errors"]:
        raise DataError(f"{folder}: {'; '.join(_messages(health['errors']))}")
    data = dict(coco.dataset)
    wanted = BESIDE_BOXES[task]
    if wanted and not any(annotation.get(wanted) for annotation in data["annotations"]):
        raise DataError(f"{folder} has no {wanted}, which {task} learns from")
    used = {annotation["category_id"] for annotation in data["annotations"]}
    categories = sorted((c for c in data["categories"] if c["id"] in used), key=lambda c: int(c["id"]))
    if not categories:
        raise DataError(f"{folder}: no object is annotated")
    numbers = {category["id"]: number for number, category in enumerate(categories, start=1)}
    data["categories"] = [{**category, "id": numbers[category["id"]]} for category in categories]
    data["annotations"] = [{**a, "category_id": numbers[a["category_id"]]} for a in data["annotations"]]
    paths = _find_images([image["file_name"] for image in data["images"]], folder, images)
    labels = _labels(data, task)
    found = [Image(path, labels.get(name, "")) for name, path in paths.items()]
    extra = {"kpt_shape": [len(categories[0].get("keypoints", [])), 3]} if task == "pose" else {}
    return Annotations(
        [str(c["name"]) for c in categories], found, extra, list(_messages(health["warnings"]))
    )


def _labels(data: dict[str, Any], task: str) -> dict[str, str]:
    """Text of the label file of each image, made by Ultralytics' converter.

    The converter writes to paths made from image names, so the images get numbers as names.
    """
    from kdpipe.yolo.datasets import convert_coco

    numbered = [{**image, "file_name": f"{n}.jpg"} for n, image in enumerate(data["images"])]
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "json").mkdir()
        (folder / "json/all.json").write_text(json.dumps({**data, "images": numbered}), encoding="utf-8")
        convert_coco(folder / "json", folder / "out", task)
        files = {
            image["file_name"]: folder / f"out/labels/all/{n}.txt" for n, image in enumerate(data["images"])
        }
        return {name: path.read_text(encoding="utf-8") for name, path in files.items() if path.is_file()}


def _from_yolo(folder: Path, images: Path | None) -> Annotations:
    names_file = next((folder / name for name in NAME_FILES if (folder / name).is_file()), None)
    if names_file is None:
        wanted = folder / NAME_FILES[0]
        raise DataError(f"{folder}: the class names are missing; write them into {wanted}, one a line")
    root = images or folder
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise DataError(f"{root}: there are no images; say where they are with --images")
    found = [Image(path, _text_of(path, folder)) for path in paths]
    if not any(image.labels.strip() for image in found):
        raise DataError(f"{folder}: no image has a label file of its name")
    names = [line.strip() for line in names_file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return Annotations(names, found)


def _text_of(image: Path, folder: Path) -> str:
    """Labels of an image: from beside it, from its labels folder, or from `folder`."""
    name = f"{image.stem}.txt"
    places = (image.with_suffix(".txt"), label_path(image), folder / name, folder / "labels" / name)
    return next((path.read_text(encoding="utf-8") for path in places if path.is_file()), "")


def _find_images(names: list[str], folder: Path, images: Path | None) -> dict[str, Path]:
    """Paths of the annotated images, by file name."""
    beside = [place / name for place in (folder, folder.parent) for name in ("", "images", "JPEGImages")]
    roots = [images] if images else beside
    found = {}
    missing = []
    for name in names:
        path = next((root / name for root in roots if (root / name).is_file()), None)
        if path is None:
            missing.append(name)
        else:
            found[name] = path
    if missing:
        raise DataError(
            f"{len(missing)} of {len(names)} images are missing ({', '.join(missing[:FEW])}); looked in "
            f"{', '.join(map(str, roots))}; say where they are with --images"
        )
    return found


def _messages(findings: list[Any]) -> Iterator[str]:
    for finding in findings:
        yield str(finding.get("message", finding)) if isinstance(finding, dict) else str(finding)
