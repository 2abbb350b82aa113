"""Annotations of other tools in one form: images, with labels in Ultralytics' format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kdpipe.data.importing.objects import finite
from kdpipe.data.names import has_controls
from kdpipe.errors import DataError, counted

FEW = 3  # files that are listed in a message


@dataclass(frozen=True)
class Image:
    """An image file and its labels in Ultralytics' format, one object per line.

    Attributes:
        path: The image file.
        labels: Text of its label file.
        folders: Names of the folders that it is in, below the folder that was given.
        has_labels: Whether it is annotated: with a label file, even an empty one, if it has one of its own.
    """

    path: Path
    labels: str
    folders: tuple[str, ...] = ()
    has_labels: bool = True

    @property
    def classes(self) -> set[int]:
        """Class ids of the objects in the image."""
        return set(self.class_ids())

    def class_ids(self) -> list[int]:
        """Class id of each object in the image."""
        return [int(float(line.split(None, 1)[0])) for line in self.labels.splitlines() if line.strip()]

    def renumbered(self, numbers: Mapping[int, int]) -> Image:
        """A copy with other class ids."""
        rows = (line.split() for line in self.labels.splitlines() if line.strip())
        lines = (" ".join([str(numbers[int(float(own))]), *rest]) for own, *rest in rows)
        return replace(self, labels="".join(f"{line}\n" for line in lines))


@dataclass(frozen=True)
class Annotations:
    """Annotations from one file or folder.

    Attributes:
        names: Class names, ordered by class id.
        images: Images with their labels.
        extra: Other keys for the data yaml, such as `kpt_shape`.
        warnings: Messages for the user.
        lists_all: Whether every image of the folders is in it, annotated or not.
    """

    names: list[str]
    images: list[Image]
    extra: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    lists_all: bool = True

    def with_classes(self, names: list[str]) -> Annotations:
        """A copy with the class ids of other names, which have all of its own."""
        if self.names == names[: len(self.names)]:
            return replace(self, names=names)
        numbers = {own: names.index(name) for own, name in enumerate(self.names)}
        return replace(self, names=names, images=[image.renumbered(numbers) for image in self.images])


def check_names(names: Sequence[str], where: Path) -> None:
    """Refuse class names that are empty or equal.

    Raises:
        DataError: naming the file or folder, and the class.
    """
    if not all(name.strip() for name in names):
        raise DataError(f"{where}: a class has an empty name")
    if unseen := [name for name in names if has_controls(name)]:
        raise DataError(f"{where}: the class {unseen[0]!r} has characters that cannot be shown; write others")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"{where}: more than one class is called {twice[0]}")


def label_problem(text: str, classes: int) -> str | None:
    """What is wrong with the first line that is no label: words that are no numbers, or an unknown class id.

    The rest is checked with the data set, by the rules of its task.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        for word in line.split():
            if finite([word]) is None:
                return f"line {number}: {word[:20]!r} is no number"
        if line.strip():
            class_id = float(line.split()[0])
            if not class_id.is_integer() or not 0 <= class_id < classes:
                known = f"0..{classes - 1} ({counted(classes, 'class name')})"
                return f"line {number}: class id {class_id:g} outside {known}"
    return None


def text_of(path: Path, what: str) -> str:
    """Text of a small file of the user.

    Raises:
        DataError: if it is no text in UTF-8; `what` says what the file should be.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: {what} must be text in UTF-8, but byte {error.start + 1} is none; save it as UTF-8"
        ) from None


def listed(items: Iterable[object]) -> str:
    """The first few of some items, for a message."""
    found = [str(item) for item in items]
    return ", ".join(found[:FEW]) + (", ..." if len(found) > FEW else "")
