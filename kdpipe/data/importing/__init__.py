"""Import data from other annotation tools into a data set in Ultralytics' layout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kdpipe.data.data_yaml import unique_names
from kdpipe.data.images import SUFFIXES as IMAGE_SUFFIXES
from kdpipe.data.importing.annotations import Image
from kdpipe.data.importing.formats import read_all
from kdpipe.data.importing.given import refuse_shared
from kdpipe.data.importing.splitting import groups_of, split_off
from kdpipe.data.label_files import MOST
from kdpipe.data.listing import some
from kdpipe.errors import DataError, counted
from kdpipe.params.schema import SPLITS
from kdpipe.params.yaml_text import dump


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

    Splits that are given are kept: folders, lists of images or annotation files named train, val (valid,
    validation, ...) and test. Without a val split, a fifth of the training images becomes val, stratified by
    class; images of one group stay in one split.

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
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is no folder"
        raise DataError(f"{out} {what}; choose another folder with --out, or remove it")
    parts, warnings = read_all(source, task, images)
    splits = {split: parts[split].images for split in SPLITS if split in parts}
    refuse_shared(splits)
    warnings += _without_labels([image for images in splits.values() for image in images])
    if "val" not in splits:
        together = groups_of([image.path.name for image in splits["train"]], groups)
        train, val = split_off(splits["train"], together, seed)
        splits |= {"train": train, "val": val}
        split = counted(len(val), "image was", "images were")
        warnings.append(f"there was no val: {split} split off from train")
    elif groups:
        warnings.append("--groups changes nothing: the data has its own val")
    content: dict[str, object] = {split: f"images/{split}" for split in SPLITS if split in splits}
    content |= {"names": parts["train"].names, **parts["train"].extra}
    with _whole(out) as folder:
        _write(splits, folder)
        (folder / "data.yaml").write_text(dump(content), encoding="utf-8")
    return ImportResult(
        out / "data.yaml", {split: len(splits[split]) for split in SPLITS if split in splits}, warnings
    )


def _without_labels(images: Sequence[Image]) -> Iterator[str]:
    """Say which images have no label file; refuse them if they are most."""
    missing = [image.path for image in images if not image.has_labels]
    count = f"{len(missing)} of {len(images)}: {some(missing)}"
    if len(missing) > MOST * len(images):
        raise DataError(
            f"images without a label file: {count}; name the label files after them. An image without "
            "objects needs an empty one"
        )
    if missing:
        yield f"images without a label file, which count as images without objects: {count}"


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place once everything is written, so that nothing half stays."""
    folder = out.with_name(f".{out.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        if out.exists():
            out.rmdir()
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(splits: Mapping[str, Sequence[Image]], out: Path) -> None:
    for split, images in splits.items():
        (out / "labels" / split).mkdir(parents=True)
        for name, image in zip(unique_names([image.path for image in images]), images, strict=True):
            _copy(image.path, out / "images" / split / name)
            label = (out / "labels" / split / name).with_suffix(".txt")
            label.write_text(image.labels, encoding="utf-8")


def _copy(image: Path, to: Path) -> None:
    if image.suffix.lower() not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{image} is no image that can be read; known are {known}")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, to)
