"""Label files: where they are, and those that do not meet an image."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from kdpipe.data.images import SUFFIXES
from kdpipe.data.listing import some
from kdpipe.errors import DataError

LABEL_SUFFIX = ".txt"
NO_LABELS = {"classes.txt", "labels.txt", "notes.txt", "readme.txt", "train.txt", "val.txt", "test.txt"}
MOST = 0.5  # share of images without a label file from which on the data set is refused


def label_path(image: Path) -> Path:
    """Path of an image's label file, by Ultralytics' rule: `images` becomes `labels`, the suffix .txt."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(LABEL_SUFFIX)


def check_label_files(split: str, images: Sequence[Path]) -> list[str]:
    """Refuse a split whose labels do not meet their images; return warnings.

    An image without a label file counts as one without objects, as in Ultralytics. That is right for some
    images, but it is also what a misspelt name does.

    Args:
        split: Name of the split.
        images: Its images.

    Raises:
        DataError: if there are labels for an image in another place or under a similar name, or if most
            images have none.
    """
    refuse_astray(split, images)
    missing = _without_file(images)
    if len(missing) > MOST * len(images):
        raise DataError(
            f"{split}: images without a label file: {len(missing)} of {len(images)}: {some(missing)}; looked "
            f"for {label_path(missing[0])}. An image without objects needs an empty one"
        )
    return list(_warnings(split, images, missing, _folders(images)))


def refuse_astray(split: str, images: Sequence[Path]) -> None:
    """Refuse a split with labels for an image in another place or under a similar name.

    Raises:
        DataError: naming the first ones.
    """
    if astray := list(_astray(_without_file(images), _folders(images))):
        pairs = [f"{label} for {image} (read from {label_path(image)})" for image, label in astray]
        raise DataError(
            f"{split}: label files under another name or in another place: {len(astray)}: {some(pairs)}"
        )


def _without_file(images: Iterable[Path]) -> list[Path]:
    return [image for image in images if not label_path(image).is_file()]


def _folders(images: Iterable[Path]) -> list[_Folder]:
    return [_Folder(folder) for folder in sorted({image.parent for image in images})]


def _warnings(
    split: str, images: Sequence[Path], missing: Sequence[Path], folders: Iterable[_Folder]
) -> Iterator[str]:
    if missing:
        yield (
            f"{split}: images without a label file, which count as images without objects: {len(missing)} of "
            f"{len(images)}: {some(missing)}"
        )
    if orphans := [path for folder in folders for path in folder.orphans]:
        yield f"{split}: label files without an image: {len(orphans)}: {some(orphans)}"


@dataclass(frozen=True)
class _Folder:
    """A folder of images, and the folder in which Ultralytics looks for their labels."""

    images: Path

    @property
    def labels(self) -> Path:
        return label_path(self.images / "name").parent

    @cached_property
    def orphans(self) -> list[Path]:
        """Label files that Ultralytics reads for no image in the folder."""
        read = {
            f"{Path(name).stem}{LABEL_SUFFIX}" for name in _names(self.images) if _suffix(name) in SUFFIXES
        }
        labels = (name for name in _names(self.labels) if _suffix(name) == LABEL_SUFFIX)
        return [self.labels / name for name in labels if name not in read and name.lower() not in NO_LABELS]


def _astray(missing: Sequence[Path], folders: Iterable[_Folder]) -> Iterator[tuple[Path, Path]]:
    """Images without labels, with the file that is probably meant."""
    if not missing:
        return
    similar = {(folder.images, _plain(path)): path for folder in folders for path in folder.orphans}
    for image in missing:
        beside = image.with_suffix(LABEL_SUFFIX)
        meant = beside if beside.is_file() else similar.get((image.parent, _plain(image)))
        if meant:
            yield image, meant


def _plain(path: Path) -> str:
    """The stem without what other tools change in it: percent signs, Unicode's forms, upper case."""
    return unicodedata.normalize("NFC", unquote(path.stem)).casefold()


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
