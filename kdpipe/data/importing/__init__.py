"""Data of other tools, as a data yaml with images and labels that params.yaml can name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from kdpipe.data.data_yaml import IMAGE_SUFFIXES, unique_names
from kdpipe.data.importing.formats import read
from kdpipe.data.importing.splitting import group_of, split_off
from kdpipe.errors import DataError

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class ImportResult:
    """What was written: the data yaml, the number of images per split, and what its user should know."""

    yaml: Path
    images: Mapping[str, int]
    warnings: list[str]


def import_data(
    source: Path, out: Path, task: str, *, images: Path | None, groups: str | None, seed: int
) -> ImportResult:
    """Write a data set in Ultralytics' layout from Pascal VOC, COCO json, CVAT xml or loose YOLO files.

    Folders named train, val (valid, validation) and test are taken as the splits. Where there is no val, a
    fifth of the training images is split off, stratified by class; images of one group stay together.

    Args:
        source: A file or a folder of annotations. It is only read; images are copied.
        out: A folder that does not exist yet, or is empty.
        task: What the labels are for.
        images: Where the images lie, if not beside the annotations.
        groups: A regular expression; images are of one group if what it finds in their names is equal.
        seed: Another seed splits otherwise.

    Raises:
        DataError: if there is nothing to import, an image is missing, or `out` is in use.
    """
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty; choose another folder with --out, or remove it")
    parts = {split: read(place, task, images) for split, place in _places(source).items()}
    names = parts["train"].names
    parts = {split: part.with_classes_of(names, split) for split, part in parts.items()}
    warnings = [line for part in parts.values() for line in part.warnings]
    splits = {split: list(part.images) for split, part in parts.items()}
    if "val" not in splits:
        splits["train"], splits["val"] = split_off(
            splits["train"], [group_of(image.path.name, groups) for image in splits["train"]], seed
        )
        warnings.append(f"there was no val: {len(splits['val'])} images were split off from train")
    for split, found in splits.items():
        copied = zip(unique_names([image.path for image in found]), found, strict=True)
        for name, image in copied:
            _copy(image.path, out / "images" / split / name)
            label = (out / "labels" / split / name).with_suffix(".txt")
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(image.labels)
    content = {split: f"images/{split}" for split in ("train", "val", "test") if split in splits}
    yaml = out / "data.yaml"
    yaml.write_text(OmegaConf.to_yaml({**content, "names": names, **parts["train"].extra}))
    return ImportResult(yaml, {split: len(found) for split, found in splits.items()}, warnings)


def _places(source: Path) -> dict[str, Path]:
    """Where each split is: in folders of their names, or everything in one place."""
    if not source.exists():
        raise DataError(f"{source} does not exist")
    if source.is_file():
        return {"train": source}
    yamls = [*source.glob("*.yaml"), *source.glob("*.yml")]
    if yamls:
        raise DataError(f"{source} has a data yaml already: write data.source: {yamls[0]} into params.yaml")
    found = {SPLIT_NAMES[path.name]: path for path in source.iterdir() if path.name in SPLIT_NAMES}
    return found if "train" in found else {"train": source}


def _copy(image: Path, to: Path) -> None:
    if image.suffix.lower() not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{image} is no image that can be read; known are {known}")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, to)
