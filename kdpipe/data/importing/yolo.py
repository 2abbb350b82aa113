"""Loose YOLO files: images, label files of their names, and a file with the class names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kdpipe.data.importing.annotations import (
    Annotations,
    Image,
    check_names,
    label_problem,
    listed,
    text_of,
)
from kdpipe.data.importing.finding import before_upload, is_drawn, is_junk, is_uploaded
from kdpipe.data.importing.given import lists
from kdpipe.data.label_files import label_path
from kdpipe.data.listing import files_below, images_below
from kdpipe.errors import DataError, counted

NAME_FILES = ("classes.txt", "obj.names", "labels.txt")  # as labelImg, Darknet and others name them
BOX_WORDS = 4  # after the class id


def from_yolo(folder: Path, images: Sequence[Path], names_from: Path | None = None) -> Annotations:
    """Annotations of a folder with label files.

    Args:
        folder: The folder.
        images: Folders in which the images may be, if they are elsewhere; the first one counts.
        names_from: Folder with the class names, if `folder` has none.

    Raises:
        DataError: if class names, images or labels are missing, or a label file is none.
    """
    names_file = _names_file(folder, names_from)
    names = [line.strip() for line in text_of(names_file, "class names").rstrip().splitlines()]
    if not names:
        raise DataError(f"{names_file}: there are no class names; write them into it, one a line")
    if "" in names:  # each line counts, as class ids are the numbers of the lines
        raise DataError(f"{names_file}: line {names.index('') + 1} is empty; write a class name")
    check_names(names, names_file)
    root = images[0] if images else folder
    listing = images_below(root)
    paths = [path for path in listing.images if not is_junk(path, root)]
    drawn = [path for path in listing.images if is_drawn(path, root)]
    if not paths:
        raise DataError(f"{root}: there are no images; say where they are with --images")
    no_labels = {names_file, *_other_name_files(names_file, folder)}
    no_labels |= set(lists(folder, (path.stem for path in paths)).values())
    files = _label_files(paths, root, folder, no_labels)
    files |= _uploaded(files, folder, no_labels)
    warnings = _check_labels([file for file in files.values() if file], folder, no_labels, len(names))
    found = [
        Image(
            path,
            text_of(file, "labels") if file else "",
            path.relative_to(root).parent.parts,
            has_labels=file is not None,
        )
        for path, file in files.items()
    ]
    said = [f"pictures that a training has drawn upon are left out: {len(drawn)} ({listed(drawn)})"]
    return Annotations(names, found, warnings=[*listing.warnings, *(said if drawn else []), *warnings])


def _names_file(folder: Path, names_from: Path | None) -> Path:
    for place in (folder, folder / "labels", folder / "images", *([names_from] if names_from else [])):
        if file := next((place / name for name in NAME_FILES if (place / name).is_file()), None):
            _refuse_other_names(file, folder)
            return file
    wanted = (names_from or folder) / NAME_FILES[0]
    raise DataError(f"{folder}: the class names are missing; write them into {wanted}, one a line")


def _refuse_other_names(file: Path, folder: Path) -> None:
    for other in _other_name_files(file, folder):
        if text_of(other, "class names").split() != text_of(file, "class names").split():
            raise DataError(
                f"{file} and {other} name other classes; keep the one that the labels were made with"
            )


def _other_name_files(file: Path, folder: Path) -> list[Path]:
    others = (other for other in files_below(folder) if other.name in NAME_FILES and other != file)
    return sorted(other for other in others if other.is_file() and not looks_like_labels(other))


def _label_files(
    images: Sequence[Path], root: Path, folder: Path, no_labels: set[Path]
) -> dict[Path, Path | None]:
    """Label file of each image: of its own place, or of its name alone if no other image is called so."""
    starts = (folder, folder / "labels")
    same_place = [
        lambda image: (image.with_suffix(".txt"), label_path(image)),
        lambda image: (start / image.relative_to(root).with_suffix(".txt") for start in starts),
    ]
    files: dict[Path, Path | None] = dict.fromkeys(images)
    for places in same_place:
        files |= _free(places, [image for image in images if not files[image]], files, no_labels)
    times = Counter(place.name for place in {image.with_suffix("") for image in images})
    unique = [image for image in images if not files[image] and times[image.stem] == 1]
    return files | _free(
        lambda image: (start / f"{image.stem}.txt" for start in starts), unique, files, no_labels
    )


def _free(
    places: Callable[[Path], Iterable[Path]],
    images: Iterable[Path],
    files: Mapping[Path, Path | None],
    no_labels: Container[Path],
) -> dict[Path, Path | None]:
    """The first of the places of each image that has a label file which no other image has."""
    used = {*files.values()}
    return {
        image: next(
            (path for path in places(image) if path not in used and path not in no_labels and path.is_file()),
            None,
        )
        for image in images
    }


def _uploaded(
    files: Mapping[Path, Path | None], folder: Path, no_labels: Container[Path]
) -> dict[Path, Path | None]:
    """Label files of images that have none of their name, by the name before an upload to Label Studio."""
    used = {file for file in files.values() if file}
    free: defaultdict[str, list[Path]] = defaultdict(list)
    for file in sorted(_texts(folder)):
        if file not in used and file not in no_labels and not is_junk(file, folder):
            free[before_upload(file.stem)].append(file)
    missing = [image for image, file in files.items() if file is None]
    same = {image: free[before_upload(image.stem)] for image in missing}
    times = Counter(before_upload(image.stem) for image in files)
    return {
        image: found[0]
        for image, found in same.items()
        if len(found) == 1
        and times[before_upload(image.stem)] == 1
        and not all(is_uploaded(path.stem) for path in (image, found[0]))  # of two uploads, or two dates
    }


def _check_labels(used: list[Path], folder: Path, no_labels: Iterable[Path], classes: int) -> list[str]:
    """Refuse label files that are none, and folders most of whose label files belong to no image.

    Returns:
        A warning if a few belong to no image.
    """
    wrong = {file: problem for file in used if (problem := label_problem(text_of(file, "labels"), classes))}
    if wrong:
        lines = listed(f"{file}: {problem}" for file, problem in wrong.items())
        raise DataError(f"{counted(len(wrong), 'label file')} cannot be used: {lines}")
    if not any(text_of(file, "labels").strip() for file in used):
        raise DataError(f"{folder}: no image has a label file of its name")
    unused = sorted({*_texts(folder)} - set(used) - set(no_labels))
    unused = [file for file in unused if looks_like_labels(file) and not is_junk(file, folder)]
    if not unused:
        return []
    files = counted(len(unused), "label file belongs", "label files belong")
    said = f"{files} to no image ({listed(unused)})"
    if len(unused) > len(used):
        raise DataError(
            f"{said}; images and labels need the same names, or say where the images are with --images"
        )
    return [said]


def _texts(folder: Path) -> Iterator[Path]:
    return (path for path in files_below(folder) if path.suffix == ".txt")


def looks_like_labels(file: Path) -> bool:
    """Whether a text file begins with a class id and a box, and not with a name or a path."""
    if not file.is_file():
        return False
    words = file.read_bytes().strip().partition(b"\n")[0].split()
    return len(words) > BOX_WORDS and words[0].isdigit()
