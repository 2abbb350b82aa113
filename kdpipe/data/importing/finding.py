"""Find the image file of each annotated picture, whatever the tool made of its name."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kdpipe.data.images import SUFFIXES
from kdpipe.data.importing.annotations import listed
from kdpipe.data.importing.objects import Picture, Read
from kdpipe.data.listing import files_below
from kdpipe.errors import DataError, counted

# Folders of images in the layouts of the tools; `data` is FiftyOne's, `image_2` KITTI's.
BESIDE = ("", "images", "JPEGImages", "data", "image_2")
# Folders in which formats keep annotations, beside one of images.
PARTS = {"annotations", "label_2", "labels", "labeltxt", "labeltxt-v1.0"}
# Label Studio sets eight hex digits before the name of an uploaded file.
UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
MAC_FOLDER = "__MACOSX"  # in archives made on a Mac: no images, despite their names
# Folders of Ultralytics' runs, whose pictures are drawn upon.
RUNS = re.compile(r"(^|/)runs/(detect|segment|pose|obb|classify|train|val|predict|exp)\d*(/|$)")


def is_junk(path: Path, root: Path) -> bool:
    """Whether a file below a folder is no data: hidden, made on a Mac, or drawn by a training."""
    inner = path.relative_to(root)
    hidden = any(part.startswith(".") or part == MAC_FOLDER for part in inner.parts)
    return hidden or is_drawn(path, root)


def is_drawn(path: Path, root: Path) -> bool:
    """Whether a file below a folder is in the runs of a training."""
    return RUNS.search(path.relative_to(root).as_posix()) is not None


def folded(name: str) -> str:
    """A name without what file systems and tools change in it: Unicode's forms, upper case."""
    return unicodedata.normalize("NFC", name).casefold()


def before_upload(name: str) -> str:
    """The folded name of a file before Label Studio took it, with or without suffix."""
    plain = folded(name)
    return match[1] if (match := UPLOADED.fullmatch(plain)) else plain


def is_uploaded(name: str) -> bool:
    """Whether a name has eight hex digits in front, as Label Studio gives it; so do some dates."""
    return before_upload(name) != folded(name)


@dataclass
class Finder:
    """Looks for the images of annotations.

    Attributes:
        folder: The folder of the annotations.
        images: Folders in which the images are, if the user says so.
        elsewhere: Names that were not found as they are, each with the image that was.
    """

    folder: Path
    images: Sequence[Path] = ()
    elsewhere: list[str] = field(default_factory=list)

    @cached_property
    def roots(self) -> list[str]:
        """Folders that names may be relative to."""
        if self.images:
            return [str(place) for place in self.images]
        beside = [self.folder] if self.below and not self._is_part else [self.folder, self.folder.parent]
        places = (place / name for place in beside for name in BESIDE)
        return [str(place) for place in places if place.is_dir()]

    @property
    def _is_part(self) -> bool:
        """Whether the folder of the annotations is one of a format, which has the images beside it."""
        return folded(self.folder.name) in PARTS

    @cached_property
    def below(self) -> dict[str, list[tuple[str, ...]]]:
        """Images below the folders by folded name, each as the parts of its path."""
        found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        for root in dict.fromkeys(self.images or (self.folder,)):
            for path in sorted(_images_below(root)):
                found[folded(path.name)].append(path.parts)
        return {name: list(dict.fromkeys(paths)) for name, paths in found.items()}

    @cached_property
    def stems(self) -> dict[str, list[tuple[str, ...]]]:
        """The same by name without suffix."""
        found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        for name, paths in self.below.items():
            found[Path(name).stem] += paths
        return found

    def find(self, names: Sequence[str]) -> Path | None:
        """The image of a picture that may have several names; None if there is none.

        Raises:
            DataError: if several images are meant by them.
        """
        plain = [name.replace("\\", "/") for name in names]
        for name in plain:
            if path := self._exact(name) or self._similar(name):
                ends = folded(path.with_suffix("").as_posix()), folded(path.as_posix())
                if not any(end.endswith(folded(name)) for name in plain for end in ends):
                    self.elsewhere.append(f"{plain[-1]} is {path}")
                return path
        return None

    def _exact(self, name: str) -> Path | None:
        if leads_out(name, [*self.images, self.folder]):
            return None
        options = (f"{root}/{name}" for root in self.roots) if not name.startswith("/") else (name,)
        return next((Path(path) for path in options if os.path.isfile(path)), None)  # noqa: PTH113 - many calls

    def _similar(self, name: str) -> Path | None:
        """The image whose path ends most like a name: of its base name, or of the one before the upload."""
        parts = [folded(part) for part in name.split("/")]
        last = parts[-1]
        paths = self.below.get(last) or self.below.get(before_upload(last)) or []
        if Path(last).suffix not in SUFFIXES:
            paths = paths or self.stems.get(last, [])
        scores = [_same_end(parts, path) for path in paths]
        best = [path for path, score in zip(paths, scores, strict=True) if score == max(scores)]
        if len(best) > 1:
            where = listed(Path(*path) for path in best)
            raise DataError(f"{name}: several images are called so ({where}); say where it is with --images")
        return Path(*best[0]) if best else None


def _images_below(root: Path) -> Iterator[Path]:
    for path in files_below(root):
        if path.suffix.lower() in SUFFIXES and not is_junk(path, root):
            yield path


def _same_end(parts: Sequence[str], path: Sequence[str]) -> int:
    pairs = zip(reversed(parts[:-1]), (folded(part) for part in reversed(path[:-1])), strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), len(parts) - 1)


def leads_out(name: str, given: Sequence[Path]) -> bool:
    """Whether a file name contains `..`, or is absolute and elsewhere than in the given folders."""
    path = Path(name)
    absolute = path.is_absolute() and not any(path.is_relative_to(place.absolute()) for place in given)
    return absolute or ".." in re.split(r"[/\\]", name)


def find_images(read: Read, images: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The image file of each picture, and messages.

    Args:
        read: The annotations.
        images: Folders in which the images are, if the user says so.

    Raises:
        DataError: if an image is missing, or two pictures are of one image.
    """
    finder = Finder(read.folder, images)
    found = [finder.find(picture.names) for picture in read.pictures]
    missing = [picture.names[0] for picture, path in zip(read.pictures, found, strict=True) if path is None]
    if leading := [name for name in missing if leads_out(name, [*images, read.folder])]:
        names = counted(len(leading), "file name leads", "file names lead")
        raise DataError(
            f"{read.file}: {names} out of the folder of the images ({listed(leading)}), and no image in it "
            f"is called so; write them relative to it, without `..` ({read.tool})"
        )
    if missing:
        raise DataError(
            f"{read.file}: images that are missing: {len(missing)} of {len(found)} ({listed(missing)}); "
            f"looked in {', '.join(finder.roots)}; say where they are with --images ({read.tool})"
        )
    paths = [path for path in found if path is not None]
    _refuse_twice(read, paths)
    similar = f"images found under a similar name: {len(finder.elsewhere)} ({listed(finder.elsewhere)})"
    return paths, [similar] if finder.elsewhere else []


def _refuse_twice(read: Read, paths: Sequence[Path]) -> None:
    first: dict[Path, Picture] = {}
    twice = []
    for picture, path in zip(read.pictures, paths, strict=True):
        if (other := first.setdefault(path, picture)) is not picture:
            names = {other.names[0], picture.names[0]}
            twice.append(path.name if len(names) == 1 else f"{' and '.join(sorted(names))} are {path}")
    if twice:
        repeated = counted(len(twice), "image is", "images are")
        raise DataError(
            f"{read.file}: {repeated} listed more than once: {listed(twice)}; keep one of each ({read.tool})"
        )
