"""From what a reader returns to images with labels: one layer that checks what every reader says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from rich.progress import track

from kdpipe.data.importing.annotations import Annotations, Image, check_names, listed
from kdpipe.data.importing.finding import BESIDE, find_images
from kdpipe.data.importing.lines import KEYPOINT_VALUES, Tally, is_finite, label_text
from kdpipe.data.importing.objects import Picture, Read, Shape, wrong
from kdpipe.data.importing.sizes import Sizes
from kdpipe.errors import DataError, counted

# What a task needs beside boxes.
WANTED: dict[str, tuple[str, Callable[[Shape], bool]]] = {
    "segment": ("outlines", lambda shape: bool(shape.parts or shape.mask or shape.corners)),
    "pose": ("keypoints", lambda shape: bool(shape.keypoints)),
    "obb": ("rotated boxes", lambda shape: bool(shape.corners)),
}
NOT_USED = -1  # class of an object that is left out
MANY = 2000  # pictures from which on a bar is shown


def annotations_of(read: Read, task: str, images: Sequence[Path]) -> Annotations:
    """Images with labels from what a reader returned.

    Args:
        read: The annotations.
        task: Task of the labels.
        images: Folders in which the images are, if the user says so.

    Raises:
        DataError: if an image is missing or of another shape, a coordinate is no number, a class has no name,
            or nothing can be learned for the task.
    """
    check_names(read.names, read.file)
    _require_shapes(read, task)
    extra = _keypoint_shape(read) if task == "pose" else {}
    paths, said = find_images(read, images)
    sizes, tally = Sizes(read), Tally()
    found = []
    pairs = list(zip(read.pictures, paths, strict=True))
    shown = track(pairs, "converting labels") if len(pairs) > MANY else pairs
    folders = cache(partial(_folders, read.folder, tuple(images)))
    for picture, path in shown:
        try:
            size = sizes.of(picture, path)
            text = label_text(picture, _classes(picture, read), size, task, tally, pixel=sizes.pixel(path))
        except ValueError as error:
            raise wrong(read.tool, read.file, f"{picture.names[0]}: {error}") from error
        found.append(Image(path, text, (picture.subset, *folders(path.parent))))
        picture.shapes = []
    said = [*read.said, *_skipped(read), *said, *sizes.messages(), *tally.messages()]
    if not any(image.labels for image in found):
        what = f"no object of {tally.total} can be learned from" if tally.total else "no object is annotated"
        said = [f"{read.file}: {what}", *said]
    return Annotations(read.names, found, extra, said, lists_all=False)


def _require_shapes(read: Read, task: str) -> None:
    """Refuse objects of which none has what the task learns from."""
    shapes = [shape for picture in read.pictures for shape in picture.shapes]
    if shapes and task in WANTED:
        what, has = WANTED[task]
        if not any(has(shape) for shape in shapes):
            raise DataError(f"{read.file} has no {what}, which {task} learns from ({read.tool})")


def _keypoint_shape(read: Read) -> dict[str, Any]:
    """The key of a data yaml for the keypoints, of which each object has as many."""
    count = 0
    for picture in read.pictures:
        for shape in picture.shapes:
            values = len(shape.keypoints)
            if shape.skip or not values or not is_finite(shape):
                continue
            count = count or max(values // KEYPOINT_VALUES, 1)
            if values != count * KEYPOINT_VALUES:
                needed = f"x, y and visibility of {counted(count, 'keypoint')}, as of objects before"
                what = f"{picture.names[0]}: {counted(values, 'number')} for keypoints; write {needed}"
                raise wrong(read.tool, read.file, what, _place(shape, read))
    return {"kpt_shape": [count, KEYPOINT_VALUES]} if count else {}


def _skipped(read: Read) -> Iterator[str]:
    if read.skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(read.skipped.items()))
        yield f"{read.file.name}: shapes that cannot be used are left out: {kinds}"


def _classes(picture: Picture, read: Read) -> list[int]:
    return [NOT_USED if shape.skip else _class(shape, picture, read) for shape in picture.shapes]


def _place(shape: Shape, read: Read) -> str:
    return f"{read.place} {shape.where}" if isinstance(shape.where, int) else str(shape.where)


def _class(shape: Shape, picture: Picture, read: Read) -> int:
    if not is_finite(shape):
        what = f"{picture.names[0]}: coordinates must be finite numbers"
        raise wrong(read.tool, read.file, what, _place(shape, read))
    number = read.numbers.get(shape.label)
    if number is None:
        what = f"the class {shape.label} is not among {listed(read.names)}"
        raise wrong(read.tool, read.file, what, _place(shape, read))
    return number


def _folders(folder: Path, images: Sequence[Path], place: Path) -> tuple[str, ...]:
    """Names of the folders that lead from the one that was given to the place of an image."""
    starts = [*images, folder, *(folder.parent / name for name in reversed(BESIDE))]
    start = next((start for start in starts if place.is_relative_to(start)), place)
    return place.relative_to(start).parts
