"""What readers return: annotated pictures in the pixels of their tool, before images are looked for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdpipe.errors import DataError

Box = tuple[float, float, float, float]  # left, top, right, bottom
Mask = Callable[[], NDArray[np.uint8]]  # decoded when it is needed, as large as the picture


@dataclass(slots=True)
class Shape:
    """An object; all coordinates are in pixels of the annotated picture.

    Attributes:
        label: Name or id of its class.
        where: Line or id in the file, for messages.
        box: Left, top, right, bottom; without it, the box around the other shapes.
        parts: Outlines as x, y, x, y, ...
        corners: Four corners as x, y, if it is a turned rectangle.
        keypoints: x, y, visibility of each.
        mask: Returns its mask.
        skip: Why it is not learned, such as `crowds`; empty if it is.
    """

    label: Hashable
    where: object
    box: Box | None = None
    parts: Sequence[Sequence[float]] = ()
    corners: Sequence[float] = ()
    keypoints: Sequence[float] = ()
    mask: Mask | None = None
    skip: str = ""


@dataclass(slots=True)
class Picture:
    """A picture and its objects.

    Attributes:
        names: File names to look for, the most likely one first.
        size: Width and height that its coordinates are of; None if the tool does not say.
        shapes: Its objects.
        subset: Name of its split in the tool, or empty.
    """

    names: Sequence[str]
    size: tuple[float, float] | None
    shapes: list[Shape] = field(default_factory=list)
    subset: str = ""


@dataclass
class Read:
    """What a file or a folder of annotations says.

    Attributes:
        tool: The tool or format that it was taken for.
        file: The file, or the folder with many of them, for messages.
        names: Class names in order.
        pictures: The pictures.
        folder: Folder in which the images are looked for.
        numbers: Index in `names` by the label of a shape; by name if empty.
        shares: Whether coordinates are shares of width and height.
        place: What `where` of its shapes is the number of.
        skipped: Numbers of shapes that cannot be read, by kind.
        said: Messages for the user.
        below: Files that were read in folders below the one with the others.
    """

    tool: str
    file: Path
    names: list[str]
    pictures: list[Picture]
    folder: Path
    numbers: dict[Hashable, int] = field(default_factory=dict)
    shares: bool = False
    place: str = "line"
    skipped: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    below: Sequence[Path] = ()

    def __post_init__(self) -> None:
        """Number the classes by their names, unless the tool has ids of its own."""
        self.numbers = self.numbers or {name: number for number, name in enumerate(self.names)}


def wrong(tool: str, file: Path, what: str, line: object = None) -> DataError:
    """The error for a place in a file.

    Args:
        tool: What the file was taken for.
        file: The file.
        what: What is wrong, and what to write instead.
        line: Its line, or the id of an object.
    """
    place = f"{file}, {f'line {line}' if isinstance(line, int) else line}" if line is not None else file
    return DataError(f"{place}: {what} ({tool})")


def finite(words: object) -> list[float] | None:
    """Finite numbers of a list of numbers, or of words for them; None if it is something else."""
    if not isinstance(words, (list, tuple)):
        return None
    try:
        values = [float(word) for word in words]
    except (TypeError, ValueError, OverflowError):
        return None
    return values if all(map(math.isfinite, values)) else None


def numbers_of(words: object, tool: str, file: Path, line: object = None) -> list[float]:
    """Finite numbers of what a file has where a list of them should be.

    Args:
        words: Numbers, or words for them.
        tool: What the file was taken for.
        file: The file.
        line: Its line.

    Raises:
        DataError: naming the words, if they are no list of finite numbers.
    """
    values = finite(words)
    if values is None:
        shown = ", ".join(str(word)[:20] for word in (words if isinstance(words, (list, tuple)) else [words]))
        shown = shown[:60]
        raise wrong(tool, file, f"{shown!r}: write finite numbers", line)
    return values


def seen_names(pictures: Sequence[Picture], first: Sequence[str] = ()) -> list[str]:
    """Class names of the tool in its order, then those that only objects have, by the alphabet."""
    labels = {str(shape.label) for picture in pictures for shape in picture.shapes}
    return [*first, *sorted(labels - set(first))]
