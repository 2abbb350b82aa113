"""What every source of data yields: splits of labelled images, read only when needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Example:
    """One image of a split.

    `read` returns the encoded image file's bytes and the text of its label file (one object a
    line, as in Ultralytics' data sets; empty for an image without objects).
    """

    name: str
    where: str
    read: Callable[[], tuple[bytes, str]]


@dataclass(frozen=True)
class Source:
    """A data set before it is checked and written: class names, splits, where it comes from.

    `extra` is what its data yaml says beside that, such as `kpt_shape`; `annotations` are COCO's own
    files by split; `warnings` is what its user should know.
    """

    names: Mapping[int, str]
    splits: Mapping[str, Sequence[Example]]
    origin: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[Path] = ()
    annotations: Mapping[str, Path] = field(default_factory=dict)
    warnings: Sequence[str] = ()
