"""Detect the format of annotations, and read those of each split that they come with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

from kdpipe.data.images import SUFFIXES as IMAGE_SUFFIXES
from kdpipe.data.importing import coco
from kdpipe.data.importing.annotations import Annotations, Image, listed
from kdpipe.data.importing.given import (
    by_folders,
    by_lists,
    lists,
    refuse_unused,
    split_files,
    split_folders,
)
from kdpipe.data.importing.yolo import NAME_FILES, from_yolo
from kdpipe.data.listing import is_utf8, printable
from kdpipe.errors import DataError, counted
from kdpipe.params.schema import SPLITS

NOTES = "notes.json"  # of Label Studio, beside YOLO files; no annotations
READ = IMAGE_SUFFIXES | {".json", ".names", ".txt", ".xml", ".yaml", ".yml"}
# Folders that are parts of a format, and so no data sets of their own.
PARTS = {"annotations", "images", "labels", "jpegimages", "imagesets"}


def read_all(source: Path, task: str, images: Path | None) -> tuple[dict[str, Annotations], list[str]]:
    """Read annotations by split; all of them are `train` if they come without splits.

    Args:
        source: A file or folder of annotations.
        task: Task of the labels.
        images: Folder of the images, if they are not beside the annotations.

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
    place = source if source.is_file() else _with_content(source)
    if place.is_dir() and (yamls := [*place.glob("*.yaml"), *place.glob("*.yml")]):
        raise DataError(f"{place} has a data yaml already: write data.source: {yamls[0]} into params.yaml")
    places = _places(place)
    if places:
        parts = {
            split: _read(its_place, task, _images_of(split, its_place, images), place)
            for split, its_place in places.items()
        }
        return _of_train(parts, place), [line for part in parts.values() for line in part.warnings]
    whole = _read(place, task, (images,) if images else (), place)
    splits, warnings = _given(whole.images, place)
    warnings += _unused(place)
    if splits:
        _require_train(splits, place)
    parts = {
        split: Annotations(whole.names, its_images, whole.extra)
        for split, its_images in (splits or {"train": whole.images}).items()
    }
    return parts, [*whole.warnings, *warnings]


def _check_files(source: Path) -> None:
    """Refuse files that cannot be read to their end, or whose names cannot be written."""
    paths = [source, *(path for path in source.rglob("*") if path.suffix.lower() in READ)]
    if endless := [path for path in paths if not (path.is_file() or path.is_dir())]:
        files = counted(len(endless), "file is no regular file", "files are no regular files")
        raise DataError(f"{files} (pipes, devices, broken links): {listed(endless)}; remove what is not read")
    if garbled := [printable(path) for path in paths if not is_utf8(path)]:
        raise DataError(f"{listed(garbled)}; file names must be UTF-8; rename what is not")


def _with_content(source: Path) -> Path:
    """The folder itself, or the only folder in it if there is nothing else, as many archives have it."""
    content = [path for path in source.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    folders = [path for path in content if path.is_dir()]
    useful = [
        path for path in content if path.name in NAME_FILES or path.suffix in (".json", ".xml", ".yaml")
    ]
    if len(folders) != 1 or useful or folders[0].name.lower() in PARTS or split_folders(source):
        return source
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in content):
        return source
    return _with_content(folders[0])


def _places(source: Path) -> dict[str, Path]:
    """Folder or file of each split, where splits have their own annotations; empty if they have not."""
    if source.is_file() or any((source / name).is_file() for name in NAME_FILES):
        return {}
    for folder in (source, source / "annotations"):
        of_cvat = _files(folder, "*.xml")
        if 1 < len(of_cvat) <= len(SPLITS) and len(places := split_files(of_cvat)) == len(of_cvat):
            _require_train(places, folder)
            return places
        files = _files(folder, "*.json")
        if len(files) > 1 and (places := split_files(files)):
            _require_train(places, folder)
            if unused := [path.name for path in files if path not in places.values()]:
                raise DataError(
                    f"{folder}: {', '.join(places[split].name for split in places)} are of splits, but not "
                    f"{', '.join(unused)}; move what is not to be imported elsewhere"
                )
            return places
        if len(files) > 1:
            refuse_unused((path.name for path in files), "the files")
        if files:
            return {}
    places = split_folders(source)
    if not places:
        return {}
    _require_train(places, source)
    others = [path for path in source.iterdir() if path.is_dir() and path not in places.values()]
    if with_images := [path for path in others if _has_images(path)]:
        raise DataError(
            f"{with_images[0]} has images too, beside {' and '.join(path.name for path in places.values())}; "
            "call it train, val or test, or move it elsewhere"
        )
    return places


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _has_images(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*"))


def _images_of(split: str, place: Path, images: Path | None) -> tuple[Path, ...]:
    """Folders in which to look for the images of one split; empty for those where they are by default."""
    if images:
        own = split_folders(images).get(split)
        return (own, images) if own else (images,)
    if place.is_dir():
        return ()
    above = place.parent.parent if place.parent.name == "annotations" else place.parent
    for root in (above, above / "images"):
        if root.is_dir() and (own := split_folders(root).get(split)):
            return own, root, place.parent
    return ()


def _unused(place: Path) -> list[str]:
    """A warning if a file was given, and others beside it are of other splits."""
    with suppress(DataError):
        files = split_files(list(place.parent.glob(f"*{place.suffix}"))) if place.is_file() else {}
        if place in files.values() and len(files) > 1:
            others = " and ".join(path.name for path in files.values() if path != place)
            return [f"{others} beside {place.name} is not used; give the folder to import all splits"]
    return []


def _require_train(splits: Mapping[str, object], where: Path) -> None:
    if "train" not in splits:
        raise DataError(
            f"{where}: found {' and '.join(splits)}, but no train; add it, or rename what is no split"
        )


def _of_train(parts: dict[str, Annotations], source: Path) -> dict[str, Annotations]:
    """The annotations with the class ids of train, in the order train, val, test."""
    names = parts["train"].names
    parts = {split: part.with_classes_of(names, split) for split, part in parts.items()}
    for split, part in parts.items():
        if not part.images:
            raise DataError(f"{source}: {split} has no images")
    return parts


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
    read = place
    try:
        if place.suffix == ".json":
            return coco.from_json(place, place.parent, task, images)
        if place.suffix == ".xml":
            return coco.from_cvat(place, task, images)
        if place.is_dir() and (_files(place, "*.xml") or _files(place, "Annotations/*.xml")):
            return coco.from_voc(place, task, images)
        jsons = _files(place, "*.json") if place.is_dir() else []
        jsons = [path for path in jsons if path.name != NOTES]
        if len(jsons) == 1:
            read = jsons[0]
            return coco.from_json(read, place, task, images)
    except (OSError, ValueError, KeyError, RuntimeError, ET.ParseError) as error:
        raise DataError(f"{read} cannot be read: {error}") from error
    if place.is_dir() and any(place.rglob("*.txt")):
        return from_yolo(place, images, source)
    raise DataError(
        f"{place}: found no Pascal VOC (xml files), COCO (one json file), CVAT (an xml file) "
        "or YOLO (txt files)"
    )
