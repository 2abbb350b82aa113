"""Find the images that a data yaml names: in folders as Ultralytics finds them, or in list files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdpipe.data.images import NOT_READ, SUFFIXES
from kdpipe.errors import DataError
from kdpipe.paths import pull_hint

FIRST = 3  # files that a message names
MAC_FILE = "._"  # beginning of the names of files that are made on a Mac, one for each other file
HEAD = 4096  # bytes of a list file that are looked at before all of it is read


@dataclass
class Listing:
    """Images of a split.

    Attributes:
        images: Paths of the images, each once, sorted.
        warnings: Messages about files that are not among them.
    """

    images: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def list_images(yaml: Path, split: str, root: Path, entry: object) -> Listing:
    """List the images of one split.

    Args:
        yaml: The data yaml, for messages.
        split: Name of the split.
        root: Root folder of the data set.
        entry: Value of the split in the data yaml.

    Raises:
        DataError: if the entry names neither a folder nor a list, or an image cannot be read at all.
    """
    entries = entry if isinstance(entry, list) else [entry] if entry is not None else []
    if not all(isinstance(item, str) for item in entries):
        raise DataError(
            f"{yaml}: {split}: {entry!r}: write a folder of images, a list file, or several of them"
        )
    files: list[Path] = []
    hidden: list[Path] = []
    for item in filter(None, entries):
        place = _place(yaml, split, root, item)
        if place.is_dir():
            for path in files_below(place):
                (hidden if path.name.startswith(".") else files).append(path)
        else:
            files += _listed(f"{yaml}: {split}: {item}", place)
    return of_files(f"{yaml}: {split}", f"{split}: ", files, hidden)


def images_below(folder: Path) -> Listing:
    """List the images in a folder and the folders in it, also through links.

    Raises:
        DataError: if an image cannot be read at all.
    """
    files: list[Path] = []
    hidden: list[Path] = []
    for path in files_below(folder):
        (hidden if path.name.startswith(".") else files).append(path)
    return of_files(str(folder), "", files, hidden)


def of_files(where: str, prefix: str, files: Sequence[Path], hidden: Sequence[Path] = ()) -> Listing:
    """The images among files.

    Args:
        where: Beginning of the messages of errors.
        prefix: Beginning of the warnings.
        files: The files.
        hidden: Files that Ultralytics does not see.

    Raises:
        DataError: if an image cannot be read at all.
    """
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    _check_files(where, images)
    return Listing(sorted(set(images)), [f"{prefix}{said}" for said in _excluded(files, hidden, images)])


def printable(path: Path | str) -> str:
    """A path for a message, also if its bytes are no UTF-8."""
    return os.fsencode(path).decode(errors="backslashreplace")


def some(paths: Sequence[Path | str]) -> str:
    """The first paths, for a message."""
    more = [f"and {len(paths) - FIRST} more"] if len(paths) > FIRST else []
    return ", ".join([*map(printable, paths[:FIRST]), *more])


def is_binary(path: Path) -> bool:
    """Whether a file is surely no text, as its beginning says."""
    with path.open("rb") as file:
        return b"\0" in file.read(HEAD)


def _place(yaml: Path, split: str, root: Path, item: str) -> Path:
    """The folder or list that is meant."""
    place = _meant(root, item)
    if not is_there(root, item):
        hint = pull_hint(place)
        raise DataError(f"{yaml}: {split}: {item}: no such folder or list; looked for {place}{hint}")
    return place


def is_there(root: Path, item: str) -> bool:
    """Whether the folder or list of a split exists."""
    place = _meant(root, item)
    return place.is_dir() or place.is_file()


def _meant(root: Path, item: str) -> Path:
    place = root / item
    if not place.exists() and item.startswith("../"):  # as exported by Roboflow
        place = root / item[3:]
    return place


def files_below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Files under a folder, also through links to folders, as Ultralytics finds them; not in hidden folders.

    Args:
        folder: The folder; of anything else there are none.
        above: The folders that it is in, without links.

    Raises:
        DataError: if a link leads to a folder that contains it.
    """
    if not folder.is_dir():
        return
    real = folder.resolve()
    if any(outer.is_relative_to(real) for outer in above):
        raise DataError(f"{printable(folder)} is a link to a folder that contains it; remove it")
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not os.path.isdir(entry.path):  # noqa: PTH112 - also answers for a link to itself
            yield Path(entry.path)
        elif not entry.name.startswith("."):
            yield from files_below(Path(entry.path), (*above, real))


def _listed(where: str, place: Path) -> list[Path]:
    """Images of a list file, one path a line; relative paths start from the folder of the list."""
    wrong = DataError(
        f"{where} is neither a folder of images nor a list of their paths, one a line, in UTF-8"
    )
    if place.suffix.lower() in SUFFIXES or is_binary(place):
        raise wrong
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise wrong from None
    return [place.parent / line.strip() for line in lines if line.strip()]


def _check_files(where: str, paths: Sequence[Path]) -> None:
    """Refuse names that cannot be written to a text file, and what can never be read to its end."""
    if garbled := [path for path in paths if not is_utf8(path)]:
        raise DataError(f"{where}: file names that are not UTF-8; rename them: {some(garbled)}")
    if absent := [path for path in paths if not os.path.isfile(path)]:  # noqa: PTH113 - answers for any
        raise DataError(
            f"{where}: images that are missing, broken links or no regular files: {len(absent)} of "
            f"{len(paths)}: {some(absent)}{pull_hint(absent[0])}"
        )


def is_utf8(path: Path) -> bool:
    """Whether a path can be written to a text file."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _excluded(files: Sequence[Path], hidden: Sequence[Path], images: Sequence[Path]) -> Iterator[str]:
    """Messages about images that Ultralytics excludes without a word, and about repetitions."""
    unseen = [path for path in hidden if path.suffix.lower() in SUFFIXES]
    if unseen := [path for path in unseen if not path.name.startswith(MAC_FILE)]:
        yield f"hidden files are excluded, as in Ultralytics: {some(unseen)}"
    kinds = Counter(path.suffix.lower() for path in files if path.suffix.lower() in NOT_READ)
    if kinds:
        counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))
        yield f"files that Ultralytics does not read are excluded: {counts}; save them as PNG"
    if repeated := [path for path, times in Counter(images).items() if times > 1]:
        yield f"images that are named more than once are used once: {some(repeated)}"
