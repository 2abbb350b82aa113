"""Import data from other annotation tools into a data set in Ultralytics' layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kdpipe.data.importing.annotations import Annotations, Image
from kdpipe.data.importing.archive import opened
from kdpipe.data.importing.formats import read_all
from kdpipe.data.importing.given import refuse_shared
from kdpipe.data.importing.splitting import groups_of, split_off, with_equal_files
from kdpipe.data.importing.summary import ImportResult, objects_of
from kdpipe.data.importing.writing import whole, write_splits
from kdpipe.data.label_files import MOST
from kdpipe.data.listing import some
from kdpipe.errors import DataError, counted
from kdpipe.params.schema import SPLITS
from kdpipe.params.yaml_text import dump

__all__ = ["ImportResult", "import_data"]


def import_data(
    source: Path, out: Path, task: str, *, images: Path | None, groups: str | None, seed: int
) -> ImportResult:
    """Convert what an annotation tool exported to a data set in Ultralytics' layout.

    Splits that are given are kept: folders, lists of images or annotation files named train, val (valid,
    validation, ...) and test. Without a val split, a fifth of the training images becomes val, stratified by
    class; images of one group, and equal files, stay in one split.

    Args:
        source: A file or folder of annotations, or a zip of them. It is only read.
        task: Task of the labels.
        out: Output folder, which must be empty or not exist.
        images: Folder of the images, if they are not beside the annotations.
        groups: A regular expression; images for which it matches the same text, in their names or else in
            their paths below `source`, are one group.
        seed: Random seed of the split.

    Raises:
        DataError: if there is nothing to import, an image is missing, or `out` is not empty.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is no folder"
        raise DataError(f"{out} {what}; choose another folder with --out, or remove it")
    with opened(source, out) as place:
        parts, warnings = read_all(place, task, images, unpacked=place != source)
        folder = place if place.is_dir() else place.parent
        splits, said = _splits(parts, groups, seed, [folder, *([images] if images else [])])
        _check(parts, source, warnings)
        names = parts["train"].names
        content: dict[str, object] = {split: f"images/{split}" for split in splits}
        content |= {"names": names, **parts["train"].extra}
        with whole(out.resolve() if out.is_symlink() else out) as folder:
            write_splits(splits, folder)
            (folder / "data.yaml").write_text(dump(content), encoding="utf-8")
    said = [line.replace(str(place), str(source)) for line in dict.fromkeys([*warnings, *said])]
    counts = {split: len(its_images) for split, its_images in splits.items()}
    return ImportResult(out / "data.yaml", counts, objects_of(splits, names), said)


def _check(parts: Mapping[str, Annotations], source: Path, warnings: Sequence[str]) -> None:
    """Refuse splits without an object to train with, or with other keypoints than train."""
    if not any(image.labels.strip() for image in parts["train"].images):
        raise DataError("; ".join([f"{source}: the training images have no object", *warnings]))
    shapes = {split: part.extra["kpt_shape"] for split, part in parts.items() if "kpt_shape" in part.extra}
    if len(set(map(str, shapes.values()))) > 1:
        found = ", ".join(f"{shape} in {split}" for split, shape in shapes.items())
        raise DataError(f"{source}: `kpt_shape` must be the same in each split; found: {found}")


def _splits(
    parts: Mapping[str, Annotations], groups: str | None, seed: int, folders: Sequence[Path]
) -> tuple[dict[str, list[Image]], list[str]]:
    """Images by split, with val split off from train if there is none, and messages."""
    splits = {split: parts[split].images for split in SPLITS if split in parts}
    refuse_shared(splits)
    said = list(_without_labels([image for images in splits.values() for image in images]))
    if "val" not in splits:
        paths = [image.path for image in splits["train"]]
        together = with_equal_files(paths, groups_of([_below(path, folders) for path in paths], groups))
        train, val = split_off(splits["train"], together, seed)
        splits = splits | {"train": train, "val": val}
        count = counted(len(val), "image was", "images were")
        said.append(f"there was no val: {count} split off from train")
    elif groups:
        said.append("--groups changes nothing: the data has its own val")
    return {split: splits[split] for split in SPLITS if split in splits}, said


def _below(path: Path, folders: Sequence[Path]) -> str:
    """The path of an image below the folder that was given, or its name if it is in none."""
    inner = (path.relative_to(folder) for folder in folders if path.is_relative_to(folder))
    return next(inner, Path(path.name)).as_posix()


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
