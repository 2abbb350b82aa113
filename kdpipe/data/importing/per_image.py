"""Formats with a file for each image: the files of a folder, and of the folders below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdpipe.data.importing.finding import is_junk
from kdpipe.data.importing.given import LOOKS_LIKE, NAMED
from kdpipe.data.importing.objects import Read
from kdpipe.data.importing.readers import kitti_dota, labelme, voc
from kdpipe.data.importing.readers.json_file import content_of
from kdpipe.data.importing.readers.xml_file import root_of
from kdpipe.data.listing import files_below

NOT_LINES = ("classes", "train", "val", "valid", "test", "trainval", "notes")


@dataclass(frozen=True)
class PerImage:
    """A format with a file for each image.

    Attributes:
        suffix: Suffix of its files.
        fits: Whether a file is of it.
        read: Reads files and the folder of their images.
    """

    suffix: str
    fits: Callable[[Path], bool]
    read: Callable[[Sequence[Path], Path], Read]


VOC = PerImage(".xml", lambda file: root_of(file).tag == "annotation", voc.read)
LABELME = PerImage(".json", lambda file: labelme.is_labelme(content_of(file)), labelme.read)


def of_lines(kind: str) -> PerImage:
    """KITTI or DOTA; below, files without objects are not known to be of it."""
    return PerImage(
        ".txt",
        lambda file: not is_note(file) and kitti_dota.kind_of(file) == kind,
        lambda files, folder: kitti_dota.read(files, kind, folder),
    )


def is_note(file: Path) -> bool:
    """Whether a text file is called like a list or a readme, such as README.dataset.txt of Roboflow."""
    return file.stem in NOT_LINES or file.name.lower().startswith("readme.")


def read(kind: PerImage, files: Sequence[Path], place: Path, folder: Path) -> Read:
    """Read files of a place, and of the folders below it, which are of images and may be of splits.

    Args:
        kind: The format.
        files: Files in the place.
        place: The folder with them.
        folder: Folder in which the images are looked for.
    """
    below = _below(kind, place, folder)
    found = kind.read([*files, *below], folder)
    found.below = below
    for picture, file in zip(found.pictures[len(found.pictures) - len(below) :], below, strict=True):
        parts = file.parent.relative_to(place).parts
        inner = "/".join(parts)
        picture.names = [*(f"{inner}/{name}" for name in picture.names), *picture.names]
        splits = (part for part in parts if NAMED.fullmatch(part) or LOOKS_LIKE.search(part))
        picture.subset = next(splits, "")
    return found


def read_below(places: Sequence[Path], folder: Path) -> Read | None:
    """Read files that are only in folders below the first place that has some; None if there are none."""
    kinds = (VOC, LABELME, of_lines(kitti_dota.KITTI), of_lines(kitti_dota.DOTA))
    pairs = ((kind, place) for place in places for kind in kinds)
    return next((read(kind, [], place, folder) for kind, place in pairs if _below(kind, place, folder)), None)


def _below(kind: PerImage, place: Path, folder: Path) -> list[Path]:
    paths = sorted(path for path in files_below(place) if path.suffix.lower() == kind.suffix)
    inner = (path for path in paths if path.parent != place and path.is_file() and not is_junk(path, folder))
    return [path for path in inner if kind.fits(path)]
