"""Data sets of the user: an Ultralytics data yaml, or a folder that contains one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from kdpipe.data import coco_annotations
from kdpipe.data.names import class_names, read_fields
from kdpipe.data.source import Example, Source
from kdpipe.errors import DataError, ParamsError
from kdpipe.params.schema import SPLITS

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
MEASURED = ("val", "test")
RGB = 3  # channels
NOT_CARRIED = {"path", "download", "names", "nc", *SPLITS}


def find_yaml(source: Path) -> Path:
    """The data yaml for `data.source`: the file itself, or the only yaml file in the folder.

    Raises:
        ParamsError: if there is no yaml file, or more than one.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise ParamsError("data.source", f"{source} does not exist")
    found = sorted([*source.glob("*.yaml"), *source.glob("*.yml")])
    if len(found) == 1:
        return found[0]
    listed = ", ".join(path.name for path in found) or "none"
    raise ParamsError(
        "data.source",
        f"{source} must hold one data yaml (with train, val and names); found: {listed}",
    )


def read(yaml: Path, task: str, base: Path | None = None) -> Source:
    """Read an Ultralytics data yaml.

    Args:
        yaml: The data yaml.
        task: Task of the labels.
        base: Second folder in which to look for its `path`, after the folder of the yaml.

    Raises:
        DataError: if the yaml cannot be read, or an image folder or list does not exist.
    """
    fields = read_fields(yaml)
    root = _root(yaml, fields.get("path"), base)
    images = {split: _images(yaml, root, fields.get(split)) for split in SPLITS}
    warnings = []
    if images["test"] and not any(label_path(image).is_file() for image in images["test"]):
        images["test"] = []
        warnings.append("the test split has no label files (COCO's has none), so it is left out")
    annotations = {
        split: coco_annotations.find(root, fields.get(split), task) for split in MEASURED if images[split]
    }
    return Source(
        names=class_names(yaml, fields),
        splits={split: _examples(paths) for split, paths in images.items() if paths},
        origin=str(fields.get("origin", "")) or f"Read from {yaml.name}; licence as its owner says.\n",
        extra={key: value for key, value in fields.items() if key not in NOT_CARRIED},
        annotations={split: path for split, path in annotations.items() if path},
        warnings=warnings,
        files=[
            yaml,
            *(path for paths in images.values() for image in paths for path in (image, label_path(image))),
        ],
    )


def header(yaml: Path) -> tuple[list[str], int]:
    """Class names and number of image channels, without looking for the images.

    Raises:
        DataError: if the yaml cannot be read.
    """
    fields = read_fields(yaml)
    return list(class_names(yaml, fields).values()), int(fields.get("channels", RGB))


def label_path(image: Path) -> Path:
    """Path of an image's label file, by Ultralytics' rule: `images` becomes `labels`, the suffix .txt."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _root(yaml: Path, path: str | None, base: Path | None) -> Path:
    if not path:
        return yaml.parent
    options = [yaml.parent / path, *([base / path] if base else [])]
    existing = [option for option in options if option.is_dir()]
    if not existing:
        raise DataError(f"{yaml}: path: {path} is no folder; looked in {options[0]}")
    return existing[0]


def _images(yaml: Path, root: Path, entry: object) -> list[Path]:
    entries = entry if isinstance(entry, list) else [entry] if entry else []
    found: list[Path] = []
    for item in entries:
        place = root / str(item)
        if not place.exists() and str(item).startswith("../"):  # as exported by Roboflow
            place = root / str(item)[3:]
        if place.is_dir():
            found += (path for path in place.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        elif place.is_file():
            found += (place.parent / line for line in place.read_text().split("\n") if line.strip())
        else:
            raise DataError(f"{yaml}: {item}: no such folder or list; looked for {place}")
    return sorted(set(found))


def unique_names(paths: Sequence[Path]) -> list[str]:
    """File names with unique stems, one per image; equal stems get numbers."""
    stems = Counter(path.stem for path in paths)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(partial(count, 1))
    names = []
    for path in paths:
        stem = path.stem
        if stems[stem] > 1:
            stem = next(s for n in numbers[stem] if (s := f"{path.stem}-{n}") not in stems)
        names.append(stem + path.suffix.lower())
    return names


def _examples(paths: list[Path]) -> list[Example]:
    named = zip(unique_names(paths), paths, strict=True)
    return [Example(name, str(path), partial(_read, path)) for name, path in named]


def _read(image: Path) -> tuple[bytes, str]:
    label = label_path(image)
    return image.read_bytes(), label.read_text() if label.is_file() else ""
