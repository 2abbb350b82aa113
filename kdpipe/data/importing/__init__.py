"""Import data from other annotation tools into a data set in Ultralytics' layout."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from kdpipe.data.data_yaml import unique_names
from kdpipe.data.images import SUFFIXES as IMAGE_SUFFIXES
from kdpipe.data.importing.formats import read
from kdpipe.data.importing.splitting import group_of, split_off
from kdpipe.errors import DataError

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class ImportResult:
    """Result of an import: the data yaml, the number of images per split, and messages for the user."""

    yaml: Path
    images: Mapping[str, int]
    warnings: list[str]


def import_data(
    source: Path, out: Path, task: str, *, images: Path | None, groups: str | None, seed: int
) -> ImportResult:
    """Convert Pascal VOC, COCO JSON, CVAT XML or plain YOLO files to a data set in Ultralytics' layout.

    Folders named train, val (valid, validation) and test become the splits. Without a val folder, a fifth of
    the training images becomes val, stratified by class; images of one group stay in one split.

    Args:
        source: A file or folder of annotations. It is only read; images are copied.
        out: Output folder, which must be empty or not exist.
        task: Task of the labels.
        images: Folder of the images, if they are not beside the annotations.
        groups: A regular expression; images for which it matches the same text are one group.
        seed: Random seed of the split.

    Raises:
        DataError: if there is nothing to import, an image is missing, or `out` is not empty.
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
            label.write_text(image.labels, encoding="utf-8")
    content = {split: f"images/{split}" for split in ("train", "val", "test") if split in splits}
    yaml = out / "data.yaml"
    yaml.write_text(OmegaConf.to_yaml({**content, "names": names, **parts["train"].extra}), encoding="utf-8")
    return ImportResult(yaml, {split: len(found) for split, found in splits.items()}, warnings)


def _places(source: Path) -> dict[str, Path]:
    """Folder or file of each split; without split folders everything is train."""
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
