"""Compare what Ultralytics reads of a prepared data set with what is measured against.

Ultralytics excludes images and labels that it cannot use, and says so in its log only. A training would then
see less than the measurement, or something else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdpipe.data import coco_annotations
from kdpipe.data.examine import Problems
from kdpipe.data.images import Size
from kdpipe.data.labels import Label, LabelRules
from kdpipe.data.manifest import Manifest, load_manifest
from kdpipe.errors import DataError, counted
from kdpipe.evaluation.truth import LabelledImage, labelled_images
from kdpipe.paths import state_dir
from kdpipe.yolo.reading import ReadImage, read_split

LOG_FILE = "prepare.log"
TOLERANCE = 1e-5  # largest difference of coordinates, as a share of the image: that of single precision

Object = NDArray[np.float64]  # class id, x, y, width, height, and points


def check_agreement(dataset: Path) -> None:
    """Read a prepared data set with Ultralytics, and compare class names, image sizes and all objects.

    Raises:
        DataError: if anything differs; names the files.
    """
    manifest = load_manifest(dataset)
    log = state_dir() / LOG_FILE
    problems = Problems()
    before = _times(dataset)
    for split in manifest.splits:
        read = read_split(dataset / "data.yaml", split, manifest.task, log)
        if read.names != manifest.names:
            problems.places["class names"].append(f"{read.names} for {manifest.names}")
        for kind, place in _differences(dataset, split, manifest, read.images):
            problems.places[kind].append(f"{split}/{place}")
    for path, time in _times(dataset).items():
        if before.get(path) != time:
            problems.places["images that Ultralytics rewrites"].append(path)
    if problems.places:
        what = f"Ultralytics reads files otherwise than kdpipe, and would train on something else; see {log}"
        raise DataError("\n".join([what, *problems.lines()]))


def _times(dataset: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (dataset / "images").rglob("*") if path.is_file()}


def _differences(
    dataset: Path, split: str, manifest: Manifest, images: Sequence[ReadImage]
) -> Iterator[tuple[str, str]]:
    """Yield kind and place of each difference of a split."""
    read = {image.name: image for image in images}
    sizes: dict[str, Size] = {}
    objects = 0
    for image in labelled_images(dataset, split, manifest):
        sizes[image.name] = image.size
        objects += len(image.labels)
        if image.name in read:
            yield from _of_image(image, read.pop(image.name), manifest.rules)
        else:
            yield "images that Ultralytics excludes", image.name
    for name in read:
        yield "images that only Ultralytics reads", name
    stated = manifest.splits[split]
    if (stated.images, stated.objects) != (len(sizes), objects):
        what = f"{counted(stated.images, 'image')} and {counted(stated.objects, 'object')}"
        yield "counts in the manifest", what
    yield from _annotated_sizes(dataset, split, sizes)


def _of_image(own: LabelledImage, read: ReadImage, rules: LabelRules) -> Iterator[tuple[str, str]]:
    if read.problem:
        yield "images that cannot be trained on", f"{own.name}: {read.problem}"
    for what, size in read.sizes.items():
        if size != own.size:
            sizes = f"{size[0]} x {size[1]} {what} for {own.size[0]} x {own.size[1]}"
            yield "sizes of images", f"{own.name}: {sizes}; save it upright, without an orientation tag"
    objects = [_vector(label, rules) for label in own.labels]
    if len(objects) != len(read.objects):
        yield "numbers of objects", f"{own.name}: {len(read.objects)} for {len(objects)}"
    elif not _same_objects(objects, read.objects):
        yield "coordinates of objects", own.name


def _vector(label: Label, rules: LabelRules) -> Object:
    points = np.array([] if rules.task == "detect" else rules.points(label)).reshape(-1, 3)
    kept = [points[:, 0], points[:, 1], *([points[:, 2] > 0] if rules.task == "pose" else [])]
    return np.array([label.class_id, *label.box, *np.column_stack(kept).flatten()])


def _same_objects(own: Sequence[Object], read: Sequence[Object]) -> bool:
    """Whether they are the same; in any order, as Ultralytics sorts objects where some are repeated."""
    if all(map(_same, own, read)):
        return True
    return all(any(_same(one, other) for other in read) for one in own)


def _same(one: Object, other: Object) -> bool:
    return one.shape == other.shape and float(np.abs(one - other).max()) <= TOLERANCE


def _annotated_sizes(dataset: Path, split: str, sizes: dict[str, Size]) -> Iterator[tuple[str, str]]:
    """Yield differences between the images and COCO's own annotations, if there are any."""
    path = dataset / coco_annotations.FOLDER / f"{split}.json"
    if not path.is_file():
        return
    stated: defaultdict[str, list[Size]] = defaultdict(list)
    for image in json.loads(path.read_text(encoding="utf-8"))["images"]:
        stated[image["file_name"]].append((image["width"], image["height"]))
    for name, size in sizes.items():
        if stated[name] != [size]:
            yield "sizes of images in COCO's annotations", f"{name}: {stated[name]} for {size}"
