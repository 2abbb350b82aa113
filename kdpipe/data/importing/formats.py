"""Read the annotations of each split that they come with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from kdpipe.data.images import SUFFIXES as IMAGE_SUFFIXES
from kdpipe.data.importing import data_set, registry
from kdpipe.data.importing.annotations import Annotations, Image, listed
from kdpipe.data.importing.convert import annotations_of
from kdpipe.data.importing.finding import is_junk
from kdpipe.data.importing.given import by_folders, by_lists, lists
from kdpipe.data.importing.places import images_of, places_of, require_train, unused_beside, with_content
from kdpipe.data.importing.yolo import from_yolo
from kdpipe.data.listing import files_below, is_utf8, printable
from kdpipe.errors import DataError, counted

MASKS = {"SegmentationClass", "SegmentationObject"}  # folders of Pascal VOC, whose images are masks
READ = IMAGE_SUFFIXES | {".csv", ".json", ".names", ".txt", ".xml", ".yaml", ".yml"}


def read_all(
    source: Path, task: str, images: Path | None, *, unpacked: bool = False
) -> tuple[dict[str, Annotations], list[str]]:
    """Read annotations by split; all of them are `train` if they come without splits.

    Args:
        source: A file or folder of annotations.
        task: Task of the labels.
        images: Folder of the images, if they are not beside the annotations.
        unpacked: Whether the source was unpacked from an archive.

    Returns:
        The annotations of each split, and messages for the user.

    Raises:
        DataError: if there is nothing to read, or splits are given that cannot be kept.
    """
    if not source.exists():
        raise DataError(f"{source} does not exist")
    if images and not images.exists():
        raise DataError(f"{images} does not exist")
    for given in (source, *([images] if images else [])):
        _check_files(given)
    place = source if source.is_file() else with_content(source)
    if yaml := data_set.yaml_of(place):
        if images:
            raise DataError(f"{yaml} says where the images are; correct it instead of giving --images")
        return data_set.read(yaml, task, source if unpacked else None)
    parts, warnings = _read_splits(place, task, images)
    if unpacked:
        found = (image.path for part in parts.values() for image in part.images)
        data_set.refuse_outside(found, [source, *([images] if images else [])], source)
    return parts, [*warnings, *_without_annotations(parts, place)]


def _read_splits(place: Path, task: str, images: Path | None) -> tuple[dict[str, Annotations], list[str]]:
    places = places_of(place)
    if places:
        said = []
        if "test" in places and places["test"].is_dir() and not registry.has_annotations(places["test"]):
            said = [f"{places.pop('test')} has no annotations, so there is no test split"]
        parts = {
            split: _read(its_place, task, images_of(split, its_place, images), place)
            for split, its_place in places.items()
        }
        said += [line for part in parts.values() for line in part.warnings]
        parts, added = _with_same_classes(parts, place)
        return parts, [*said, *added]
    whole = _read(place, task, (images,) if images else (), place)
    splits, warnings = _given(whole.images, place)
    warnings += unused_beside(place)
    if splits:
        require_train(splits, place)
    parts = {
        split: Annotations(whole.names, its_images, whole.extra, lists_all=whole.lists_all)
        for split, its_images in (splits or {"train": whole.images}).items()
    }
    return parts, [*whole.warnings, *warnings]


def _check_files(source: Path) -> None:
    """Refuse files that cannot be read to their end, or whose names cannot be written."""
    paths = [source, *(path for path in files_below(source) if path.suffix.lower() in READ)]
    if endless := [path for path in paths if not (path.is_file() or path.is_dir())]:
        files = counted(len(endless), "file is no regular file", "files are no regular files")
        raise DataError(f"{files} (pipes, devices, broken links): {listed(endless)}; remove what is not read")
    if garbled := [printable(path) for path in paths if not is_utf8(path)]:
        raise DataError(f"{listed(garbled)}; file names must be UTF-8; rename what is not")


def _with_same_classes(
    parts: dict[str, Annotations], source: Path
) -> tuple[dict[str, Annotations], list[str]]:
    """The annotations with the class ids of train, then those of classes that train has not."""
    names, said = list(parts["train"].names), []
    for split, part in parts.items():
        if unknown := [name for name in part.names if name not in names]:
            names += unknown
            said.append(f"{split} has classes that train has not: {', '.join(unknown)}")
        if not part.images:
            raise DataError(f"{source}: {split} has no images")
    return {split: part.with_classes(names) for split, part in parts.items()}, said


def _given(images: list[Image], source: Path) -> tuple[dict[str, list[Image]], list[str]]:
    """Images by split, as lists or folders say, and messages; empty if nothing does."""
    files = lists(source, (image.path.stem for image in images)) if source.is_dir() else {}
    if not files:
        return by_folders(images), []
    splits, warnings = by_lists(images, files)
    for split, its_images in splits.items():
        for other in set(by_folders(its_images)) - {split}:
            raise DataError(
                f"{files[split]} lists images in folders named {other}; rename those, or correct the list"
            )
    return splits, warnings


def _read(place: Path, task: str, images: tuple[Path, ...], source: Path) -> Annotations:
    try:
        found = registry.read_file(place, place.parent) if place.is_file() else registry.read_folder(place)
        if found:
            found.said += registry.unread(place, [found.file, *found.below]) if place.is_dir() else []
            return annotations_of(found, task, images)
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error}") from error
    if any(path.suffix == ".txt" for path in files_below(place)):
        return from_yolo(place, images, source)
    raise DataError(f"{place}: found no annotations; known are {registry.known()}")


def _without_annotations(parts: Mapping[str, Annotations], place: Path) -> Iterator[str]:
    """Say which images are in the folder or beside annotated ones, and in no file of annotations."""
    some_only = [part for part in parts.values() if not part.lists_all]
    known = {image.path for part in parts.values() for image in part.images}
    folders = {image.path.parent for part in some_only for image in part.images}
    beside = {Path(entry.path) for folder in folders for entry in os.scandir(folder) if entry.name[0] != "."}
    if some_only and place.is_dir():
        test = None if "test" in parts else places_of(place).get("test")  # which has its own message
        below = (path for path in files_below(place) if not is_junk(path, place))
        beside |= {path for path in below if not (test and path.is_relative_to(test))}
    others = sorted(
        path for path in beside - known if path.suffix.lower() in IMAGE_SUFFIXES and path != place
    )
    if others := [path for path in others if not MASKS & {*path.parts}]:
        yield f"images without annotations are left out: {len(others)} ({listed(others)})"
