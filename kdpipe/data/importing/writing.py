"""Write imported images and labels in Ultralytics' layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import track

from kdpipe.data.data_yaml import unique_names
from kdpipe.data.images import SUFFIXES
from kdpipe.data.importing.annotations import Image
from kdpipe.data.importing.convert import MANY
from kdpipe.errors import DataError


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place once everything is written, so that nothing half stays."""
    folder = out.with_name(f".{out.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        if out.exists():
            out.rmdir()
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_splits(splits: Mapping[str, Sequence[Image]], out: Path) -> None:
    """Write `images/SPLIT` and `labels/SPLIT`; images are links to the same files where the disk allows it.

    Args:
        splits: Images by split.
        out: The folder, which is empty.

    Raises:
        DataError: if a file is no image that Ultralytics reads.
    """
    for split, images in splits.items():
        for kind in ("images", "labels"):
            (out / kind / split).mkdir(parents=True)
        named = list(zip(unique_names([image.path for image in images]), images, strict=True))
        for name, image in track(named, f"writing {split}") if len(named) > MANY else named:
            _link(image.path, f"{out}/images/{split}/{name}")
            label = f"{out}/labels/{split}/{name.rpartition('.')[0]}.txt"
            with open(label, "w", encoding="utf-8") as file:  # noqa: PTH123 - 100,000 of them
                file.write(image.labels)


def _link(image: Path, to: str) -> None:
    if image.suffix.lower() not in SUFFIXES:
        raise DataError(f"{image} is no image that can be read; known are {', '.join(sorted(SUFFIXES))}")
    try:
        os.link(image.resolve() if image.is_symlink() else image, to)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(image, to)
