"""Sizes that annotations were made at, and those of the image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from kdpipe.data.images import EXIF_TURNED, orientation_of, shown_size
from kdpipe.data.importing.annotations import listed
from kdpipe.data.importing.geometry import around, outlines_of
from kdpipe.data.importing.objects import Picture, Read
from kdpipe.data.labels import OUTSIDE
from kdpipe.errors import DataError, counted

Size = tuple[float, float]
UNREADABLE = (OSError, ImportError, Image.DecompressionBombError)
SAME_SHAPE = 0.02  # by how much width : height of a rescaled image may differ


@dataclass
class Sizes:
    """Compares the sizes of the annotations with those of the files.

    Attributes:
        read: The annotations.
        turned: Images whose annotations were turned as their orientation tag says.
        rescaled: Images of another size than was annotated.
        unlike: Images of another shape than was annotated.
    """

    read: Read
    turned: list[Path] = field(default_factory=list)
    rescaled: list[Path] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)

    def of(self, picture: Picture, path: Path) -> Size:
        """Width and height that coordinates are divided by; turns them if they were made on the side."""
        if self.read.shares:
            return 1.0, 1.0
        try:
            shown = shown_size(path)
        except UNREADABLE:
            return self._of_broken(picture, path)
        size = picture.size
        if size is None or min(size) <= 0 or tuple(size) == shown:
            return shown
        if _is_same_shape(size, shown):
            self.rescaled.append(path)
            return size
        if tag := _turning(path):
            turn(picture, tag, size)
            self.turned.append(path)
            return size[1], size[0]
        self.unlike.append(f"{path} is {shown[0]} x {shown[1]}, annotated at {size[0]:g} x {size[1]:g}")
        return size

    def pixel(self, path: Path) -> Size:
        """Width and height of a pixel of an image, in the unit of the coordinates."""
        if not self.read.shares:
            return 1.0, 1.0
        try:
            width, height = shown_size(path)
        except UNREADABLE:
            return OUTSIDE, OUTSIDE
        return 1 / width, 1 / height

    def _of_broken(self, picture: Picture, path: Path) -> Size:
        if picture.size is None or min(picture.size) <= 0:
            raise DataError(f"{path} cannot be read, so its size is not known ({self.read.tool})") from None
        return picture.size

    def messages(self) -> list[str]:
        """What was corrected.

        Raises:
            DataError: if images have another shape than their annotations.
        """
        if self.unlike:
            images = counted(len(self.unlike), "image has", "images have")
            raise DataError(
                f"{self.read.file}: {images} another shape than was annotated: {listed(self.unlike)}; give "
                f"the images that were annotated, for example with --images ({self.read.tool})"
            )
        said = []
        if self.rescaled:
            images = counted(len(self.rescaled), "image has", "images have")
            said.append(
                f"{images} another size than was annotated; boxes are scaled: {listed(self.rescaled)}"
            )
        if self.turned:
            images = counted(len(self.turned), "image was", "images were")
            said.append(
                f"{images} annotated lying on the side; the boxes are turned as the image's orientation tag "
                f"says: {listed(self.turned)}"
            )
        return said


def _is_same_shape(size: Size, shown: Size) -> bool:
    """Whether one is the other rescaled; an image that is nearly a square may be turned instead."""
    return abs(size[0] / size[1] / (shown[0] / shown[1]) - 1) < SAME_SHAPE and size != (shown[1], shown[0])


def _turning(path: Path) -> int:
    """The orientation tag of an image, if it swaps width and height."""
    with Image.open(path) as image:
        tag = orientation_of(image)
    return tag if tag in EXIF_TURNED else 0


def turn(picture: Picture, tag: int, size: Size) -> None:
    """Turn the objects of a picture as an orientation tag turns the image.

    Args:
        picture: The picture, whose objects are changed.
        tag: EXIF orientation 5, 6, 7 or 8.
        size: Width and height before the turn.
    """
    for shape in picture.shapes:
        shape.parts, shape.mask = [_points(part, tag, size) for part in outlines_of(shape)], None
        if shape.box:
            shape.box = around(_points(shape.box, tag, size))
        shape.corners = _points(shape.corners, tag, size)
        x, y, seen = (shape.keypoints[start::3] for start in range(3))
        moved = _points([value for pair in zip(x, y, strict=False) for value in pair], tag, size)
        rows = zip(moved[0::2], moved[1::2], seen, strict=False)
        shape.keypoints = [value for row in rows for value in row]
    picture.size = size[1], size[0]


def _points(values: Sequence[float], tag: int, size: Size) -> list[float]:
    """Points as x, y after the turn: 6 turns right, 8 left, 5 and 7 mirror at a diagonal."""
    width, height = size
    moves = {
        5: lambda x, y: (y, x),
        6: lambda x, y: (height - y, x),
        7: lambda x, y: (height - y, width - x),
        8: lambda x, y: (y, width - x),
    }
    pairs = zip(values[0::2], values[1::2], strict=True)
    return [value for x, y in pairs for value in moves[tag](x, y)]
