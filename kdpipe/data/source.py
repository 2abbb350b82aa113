"""Common form of all data sources: splits of labelled images that are read only when needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Example:
    """One image of a split.

    Attributes:
        name: File name of the image in the prepared data set.
        where: Origin of the image, for messages.
        read: Returns the bytes of the image file and the text of its label file: one object per line in
            Ultralytics' format, empty for an image without objects.
    """

    name: str
    where: str
    read: Callable[[], tuple[bytes, str]]


@dataclass(frozen=True)
class Source:
    """A data set before it is checked and written.

    Attributes:
        names: Class names by class id.
        splits: Images by split.
        origin: Text about origin and licence.
        extra: Other keys of its data yaml, such as `kpt_shape`.
        files: Files of the user that the data set is read from.
        annotations: COCO annotation files by split.
        warnings: Messages for the user.
    """

    names: Mapping[int, str]
    splits: Mapping[str, Sequence[Example]]
    origin: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[Path] = ()
    annotations: Mapping[str, Path] = field(default_factory=dict)
    warnings: Sequence[str] = ()
