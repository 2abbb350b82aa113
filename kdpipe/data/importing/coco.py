"""Annotations of COCO JSON, CVAT XML and Pascal VOC: hotcoco reads them, Ultralytics converts them."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any
from xml.etree import ElementTree as ET

from hotcoco import COCO

from kdpipe.data.images import SUFFIXES
from kdpipe.data.importing.annotations import Annotations, Image, check_names, label_problem, listed
from kdpipe.errors import DataError, counted

# Fields that annotations need for each task; none of the formats has rotated boxes.
BESIDE_BOXES = {"detect": None, "segment": "segmentation", "pose": "keypoints", "obb": "rotated boxes"}
FEWEST_VALUES = 6  # of an outline: x and y of three points
STATISTICS = "Distribution"  # hotcoco's findings about how often classes occur, which are no mistakes


def from_json(file: Path, folder: Path, task: str, images: Sequence[Path]) -> Annotations:
    """Annotations of a COCO JSON file; images are looked for beside it, or in `images`."""
    return _from_coco(lambda: COCO(str(file)), folder, task, images)


def from_voc(folder: Path, task: str, images: Sequence[Path]) -> Annotations:
    """Annotations of a folder with Pascal VOC's XML files, in it or in its folder Annotations."""
    found = _from_coco(lambda: COCO.from_voc(str(folder)), folder, task, images)
    return replace(found, warnings=[*found.warnings, *_without_annotations(found.images)])


def _without_annotations(images: Sequence[Image]) -> Iterator[str]:
    """Say which images are beside those that are annotated: Pascal VOC lists no images elsewhere."""
    known = {image.path for image in images}
    places = sorted({path.parent for path in known})
    beside = [path for place in places for path in sorted(place.iterdir())]
    others = [path for path in beside if path.suffix.lower() in SUFFIXES and path not in known]
    if others := [path for path in others if not path.name.startswith(".")]:
        yield f"images without an xml file are left out: {len(others)} ({listed(others)})"


def from_cvat(file: Path, task: str, images: Sequence[Path]) -> Annotations:
    """Annotations of a CVAT XML file; an image's subset counts as a folder that it is in."""
    return _from_coco(lambda: COCO.from_cvat(str(file)), file.parent, task, images, _subsets(file))


def _subsets(file: Path) -> dict[str, str]:
    tree = ET.parse(file)  # noqa: S314 - expat bounds what entities expand to
    return {
        image.get("name", ""): image.get("subset", "") for image in tree.iter("image") if image.get("subset")
    }


def _from_coco(
    load: Callable[[], COCO],
    folder: Path,
    task: str,
    images: Sequence[Path],
    subsets: dict[str, str] | None = None,
) -> Annotations:
    with _heard() as said:
        coco = load()
        health = coco.healthcheck()
    said += coco.load_warnings
    if health["errors"]:
        raise DataError(f"{folder}: {'; '.join(map(_with_ids, health['errors']))}")
    data = _with_own_numbers(dict(coco.dataset), folder, task, said)
    names = [str(category["name"]) for category in data["categories"]]
    check_names(names, folder)
    files = [image["file_name"] for image in data["images"]]
    if nameless := files.count(""):
        raise DataError(f"{folder}: {counted(nameless, 'image has', 'images have')} no `file_name`")
    if twice := [name for name, times in Counter(files).items() if times > 1]:
        repeated = counted(len(twice), "image is", "images are")
        raise DataError(f"{folder}: {repeated} listed more than once: {listed(twice)}")
    found = _find_images(files, folder, images)
    labels = _labels(data, folder, task)
    said += _messages([one for one in health["warnings"] if one.get("layer") != STATISTICS])
    said += _losses(data, labels, folder, task)
    extra = {"kpt_shape": [len(data["categories"][0].get("keypoints", [])), 3]} if task == "pose" else {}
    return Annotations(
        names,
        [
            Image(path, labels.get(name, ""), ((subsets or {}).get(name, ""), *folders))
            for name, (path, folders) in found.items()
        ],
        extra,
        said,
    )


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what hotcoco warns of, which otherwise appears with file and line of code on the terminal.

    It writes some of it past Python; that is in `load_warnings` too.
    """
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught, TemporaryFile() as elsewhere:
        warnings.simplefilter("always")
        sys.stderr.flush()
        terminal = os.dup(2)
        os.dup2(elsewhere.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    said += [str(warning.message).removeprefix("hotcoco: ") for warning in caught]


def _with_own_numbers(data: dict[str, Any], folder: Path, task: str, said: list[str]) -> dict[str, Any]:
    """The data with class ids from 1 on, without the classes that have no object."""
    wanted = BESIDE_BOXES[task]
    if wanted and not any(annotation.get(wanted) for annotation in data["annotations"]):
        raise DataError(f"{folder} has no {wanted}, which {task} learns from")
    used = {annotation["category_id"] for annotation in data["annotations"]}
    if not used:
        raise DataError("; ".join([f"{folder}: no object is annotated", *said]))
    if boxless := sum("bbox" not in annotation for annotation in data["annotations"]):
        raise DataError(f"{folder}: {counted(boxless, 'object has', 'objects have')} no box (`bbox`)")
    unused = [str(c["name"]) for c in data["categories"] if c["id"] not in used]
    if unused:
        said.append(f"classes without an object are left out: {listed(unused)}")
    categories = sorted((c for c in data["categories"] if c["id"] in used), key=lambda c: int(c["id"]))
    numbers = {category["id"]: number for number, category in enumerate(categories, start=1)}
    data["categories"] = [{**category, "id": numbers[category["id"]]} for category in categories]
    data["annotations"] = [{**a, "category_id": numbers[a["category_id"]]} for a in data["annotations"]]
    return data


def _labels(data: dict[str, Any], folder: Path, task: str) -> dict[str, str]:
    """Text of the label file of each image, made by Ultralytics' converter.

    The converter writes to paths made from image names, so the images get numbers as names.
    """
    from kdpipe.yolo.datasets import convert_coco

    numbered = [{**image, "file_name": f"{n}.jpg"} for n, image in enumerate(data["images"])]
    with TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "json").mkdir()
        (place / "json/all.json").write_text(json.dumps({**data, "images": numbered}), encoding="utf-8")
        try:
            convert_coco(place / "json", place / "out", task)
        except (ValueError, TypeError, KeyError, RuntimeError, ImportError) as error:
            raise DataError(f"{folder}: Ultralytics cannot convert the annotations: {error}") from error
        files = {
            image["file_name"]: place / f"out/labels/all/{n}.txt" for n, image in enumerate(data["images"])
        }
        labels = {name: path.read_text(encoding="utf-8") for name, path in files.items() if path.is_file()}
    for name, text in labels.items():
        if problem := label_problem(text, len(data["categories"])):
            raise DataError(f"{folder}: {name}: {problem}")
    return labels


def _losses(data: dict[str, Any], labels: dict[str, str], folder: Path, task: str) -> Iterator[str]:
    """Say how many objects Ultralytics' converter left out."""
    total = len(data["annotations"])
    kept = sum(len(text.splitlines()) for text in labels.values())
    why = "crowds, boxes without area, objects given twice"
    why += ", objects without a labelled keypoint" if task == "pose" else ""
    if not kept:
        raise DataError(f"{folder}: no object of {total} can be learned from ({why})")
    if boxes := sum(_has_no_outline(annotation) for annotation in data["annotations"] if task == "segment"):
        yield f"{counted(boxes, 'object has', 'objects have')} no outline, and the one of the box is used"
    if kept < total:
        yield f"objects that are left out: {total - kept} of {total} ({why})"


def _has_no_outline(annotation: dict[str, Any]) -> bool:
    """Whether Ultralytics' converter takes the box of an object for its outline."""
    outline = annotation.get("segmentation")
    if annotation.get("iscrowd") or isinstance(outline, dict):
        return False
    return not any(len(part) >= FEWEST_VALUES and len(part) % 2 == 0 for part in outline or [])


Found = dict[str, tuple[Path, tuple[str, ...]]]


def _find_images(names: list[str], folder: Path, images: Sequence[Path]) -> Found:
    """Path of each annotated image, and the folders that it is in, by its name in the annotations."""
    given = [*images] or [folder]
    if leading_out := [name for name in names if _leads_out(name, [*given, folder])]:
        raise DataError(
            f"{folder}: {counted(len(leading_out), 'file name leads', 'file names lead')} out of the folder "
            f"of the images ({listed(leading_out)}); write them relative to it, without `..`"
        )
    beside = [place / name for place in (folder, folder.parent) for name in ("", "images", "JPEGImages")]
    roots = given if images else beside
    found: Found = {}
    missing = []
    for name in names:
        root = next((root for root in roots if (root / name).is_file()), None)
        if root is None:
            missing.append(name)
        else:
            path = root / name
            start = next((place for place in (*given, root) if path.is_relative_to(place)), path.parent)
            found[name] = path, path.relative_to(start).parent.parts
    if missing:
        raise DataError(
            f"images that are missing: {len(missing)} of {len(names)} ({listed(missing)}); looked in "
            f"{', '.join(map(str, roots))}; say where they are with --images"
        )
    return found


def _leads_out(name: str, given: list[Path]) -> bool:
    """Whether a file name contains `..`, or is absolute and elsewhere than in the given folders."""
    path = Path(name)
    absolute = path.is_absolute() and not any(path.is_relative_to(place.absolute()) for place in given)
    return absolute or ".." in re.split(r"[/\\]", name)


def _with_ids(finding: dict[str, Any]) -> str:
    ids = finding.get("affected_ids")
    return str(finding["message"]).rstrip(".") + (f" (ids {listed(ids)})" if ids else "")


def _messages(findings: list[Any]) -> Iterator[str]:
    for finding in findings:
        yield str(finding.get("message", finding)) if isinstance(finding, dict) else str(finding)
