"""Where the annotations of each split are, if splits have their own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kdpipe.data.images import SUFFIXES as IMAGE_SUFFIXES
from kdpipe.data.importing.finding import is_junk
from kdpipe.data.importing.given import refuse_unused, split_files, split_folders
from kdpipe.data.importing.readers import table
from kdpipe.data.importing.registry import NOTES, is_annotated
from kdpipe.data.importing.yolo import NAME_FILES
from kdpipe.data.listing import files_below
from kdpipe.errors import DataError
from kdpipe.params.schema import SPLITS

# Folders that are parts of a format, and so no data sets of their own.
PARTS = {"annotations", "data", "images", "labels", "jpegimages", "imagesets"}
ANNOTATIONS = {".csv", ".json", ".xml", ".yaml", ".yml"}


def with_content(source: Path) -> Path:
    """The folder itself, or the only folder in it if there is nothing else, as many archives have it."""
    content = [path for path in source.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    folders = [path for path in content if path.is_dir()]
    useful = [path for path in content if path.name in NAME_FILES or path.suffix in ANNOTATIONS]
    if len(folders) != 1 or useful or folders[0].name.lower() in PARTS or split_folders(source):
        return source
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in content):
        return source
    return with_content(folders[0])


def places_of(source: Path) -> dict[str, Path]:
    """Folder or file of each split, where splits have their own annotations; empty if they have not.

    Raises:
        DataError: if there are splits without train, or files and folders beside them that belong to none.
    """
    if source.is_file() or any((source / name).is_file() for name in NAME_FILES):
        return {}
    for folder in (source, source / "annotations"):
        of_cvat = _files(folder, "*.xml")
        if 1 < len(of_cvat) <= len(SPLITS) and len(places := split_files(of_cvat)) == len(of_cvat):
            require_train(places, folder)
            return places
        files = [path for path in _without_images(_files(folder, "*.json"), folder) if path.name != NOTES]
        files = files or [path for path in _files(folder, "*.csv") if table.is_known(path)]
        if places := _split_files(files, folder):
            return places
        below = _files(source / "annotations", "*.json") if folder == source else []
        if files and not (below and not any(map(is_annotated, files))):
            return {}
    places = split_folders(source)
    if not places:
        return {}
    require_train(places, source)
    others = [path for path in source.iterdir() if path.is_dir() and path not in places.values()]
    if with_images := [path for path in others if _has_images(path, source)]:
        raise DataError(
            f"{with_images[0]} has images too, beside {' and '.join(path.name for path in places.values())}; "
            "call it train, val or test, or move it elsewhere"
        )
    return places


def _split_files(files: list[Path], folder: Path) -> dict[str, Path]:
    if len(files) < 2:  # noqa: PLR2004
        return {}
    places = split_files(files)
    if not places:
        refuse_unused((path.name for path in files), "the files")
        return {}
    require_train(places, folder)
    if unused := [path.name for path in files if path not in places.values()]:
        raise DataError(
            f"{folder}: {', '.join(places[split].name for split in places)} are of splits, but not "
            f"{', '.join(unused)}; move what is not to be imported elsewhere"
        )
    return places


def _without_images(files: list[Path], folder: Path) -> list[Path]:
    """The files that are not of an image beside them, as labelme's are."""
    if not files:
        return []
    images = {path.stem for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES}
    return [path for path in files if path.stem not in images]


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))


def _has_images(folder: Path, source: Path) -> bool:
    return any(
        path.suffix.lower() in IMAGE_SUFFIXES and not is_junk(path, source) for path in files_below(folder)
    )


def images_of(split: str, place: Path, images: Path | None) -> tuple[Path, ...]:
    """Folders in which to look for the images of one split; empty for those where they are by default.

    Args:
        split: The split.
        place: The file or folder with its annotations.
        images: Folder of the images, if the user says so.
    """
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


def unused_beside(place: Path) -> list[str]:
    """A warning if a file was given, and others beside it are of other splits."""
    with suppress(DataError):
        files = split_files(list(place.parent.glob(f"*{place.suffix}"))) if place.is_file() else {}
        if place in files.values() and len(files) > 1:
            others = " and ".join(path.name for path in files.values() if path != place)
            return [f"{others} beside {place.name} is not used; give the folder to import all splits"]
    return []


def require_train(splits: Mapping[str, object], where: Path) -> None:
    """Refuse splits without train.

    Raises:
        DataError: naming those that there are.
    """
    if "train" not in splits:
        raise DataError(
            f"{where}: found {' and '.join(splits)}, but no train; add it, or rename what is no split"
        )
