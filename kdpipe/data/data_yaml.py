"""Data sets of the user: an Ultralytics data yaml, or a folder that contains one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from kdpipe.data import coco_annotations
from kdpipe.data.label_files import check_label_files, label_path
from kdpipe.data.listing import is_there, list_images
from kdpipe.data.names import MOST_VALUES, class_names, read_fields
from kdpipe.data.source import Example, Source
from kdpipe.errors import DataError, ParamsError
from kdpipe.params.schema import SPLITS
from kdpipe.params.yaml_text import YamlError, load
from kdpipe.paths import pull_hint

MEASURED = ("val", "test")
RGB = 3  # channels
NOT_CARRIED = {"path", "download", "names", "nc", "validation", *SPLITS}


def find_yaml(source: Path) -> Path:
    """The data yaml for `data.source`: the file itself, or the only one in the folder.

    Raises:
        ParamsError: if there is no data yaml, or more than one.
    """
    if source.is_file():
        return source
    if not source.is_dir():
        raise ParamsError("data.source", f"{source} does not exist{pull_hint(source)}")
    found = data_yamls(source) or _yamls(source)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(path.name for path in found) or "none"
    raise ParamsError(
        "data.source",
        f"{source} must hold one data yaml (with train, val and names); found: {listed}",
    )


def data_yamls(folder: Path) -> list[Path]:
    """The data yamls in a folder: yaml files with `train` and `names`."""
    return [path for path in _yamls(folder) if _is_data_yaml(path)]


def _yamls(folder: Path) -> list[Path]:
    return sorted(path for path in (*folder.glob("*.yaml"), *folder.glob("*.yml")) if path.is_file())


def _is_data_yaml(path: Path) -> bool:
    try:
        fields = load(path, MOST_VALUES)
    except (YamlError, OSError):
        return False
    return isinstance(fields, dict) and {"train", "names"} <= fields.keys()


def read(yaml: Path, task: str, base: Path | None = None) -> Source:
    """Read an Ultralytics data yaml.

    Args:
        yaml: The data yaml.
        task: Task of the labels.
        base: Second folder in which to look for its `path`, after the folder of the yaml.

    Raises:
        DataError: if the yaml cannot be read, an image folder or list does not exist, or labels do not meet
            their images.
    """
    fields = read_fields(yaml)
    root = root_of(yaml, fields.get("path"), base)
    entries = {split: entry_of(fields, split) for split in SPLITS}
    absent = take_out_absent(yaml, root, entries, ["test"])
    listings = {split: list_images(yaml, split, root, entry) for split, entry in entries.items()}
    images = {split: listing.images for split, listing in listings.items()}
    warnings = [*absent, *(line for listing in listings.values() for line in listing.warnings)]
    if images["test"] and not any(label_path(image).is_file() for image in images["test"]):
        images["test"] = []
        warnings.append("the test split has no label files (COCO's has none), so it is left out")
    warnings += [line for split, paths in images.items() for line in check_label_files(split, paths)]
    annotations = {
        split: coco_annotations.find(root, entries[split], task) for split in MEASURED if images[split]
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


def take_out_absent(yaml: Path, root: Path, entries: dict[str, object], splits: Sequence[str]) -> list[str]:
    """Take splits out whose folder or list is not there, such as test, which Ultralytics does not ask for.

    Args:
        yaml: The data yaml.
        root: Root folder of the data set.
        entries: What it says of each split; those that are not there become None.
        splits: The splits that may be absent.

    Returns:
        A warning for each that was taken out.
    """
    warnings = []
    for split in splits:
        entry = entries[split]
        if isinstance(entry, str) and entry and not is_there(root, entry):
            entries[split] = None
            hint = pull_hint(root / entry)
            what = f"no such folder or list, so there is no {split} split{hint}"
            warnings.append(f"{yaml.name}: {split}: {entry}: {what}")
    return warnings


def header(yaml: Path) -> tuple[list[str], int]:
    """Class names and number of image channels, without looking for the images.

    Raises:
        DataError: if the yaml cannot be read.
    """
    fields = read_fields(yaml)
    return list(class_names(yaml, fields).values()), _channels(yaml, fields)


def _channels(yaml: Path, fields: dict[str, Any]) -> int:
    channels = fields.get("channels", RGB)
    if not isinstance(channels, int) or isinstance(channels, bool) or channels < 1:
        raise DataError(
            f"{yaml}: channels: {channels!r}: write the number of channels of the images: 1 (gray), 3 (RGB) "
            "or more"
        )
    return channels


def entry_of(fields: Mapping[str, Any], split: str) -> object:
    """What a data yaml says of a split; `validation` is val, as in Ultralytics."""
    return fields.get("validation") if split == "val" and "val" not in fields else fields.get(split)


def root_of(yaml: Path, path: object, base: Path | None = None) -> Path:
    """The folder that the splits of a data yaml start from.

    Args:
        yaml: The data yaml.
        path: Its `path`.
        base: Second folder in which to look for it.

    Raises:
        DataError: if there is no such folder.
    """
    if path is None or path == "":
        return yaml.parent
    if not isinstance(path, str):
        raise DataError(f"{yaml}: path: {path!r}: write the folder that train and val start from")
    options = [yaml.parent / path, *([base / path] if base else [])]
    existing = [option for option in options if option.is_dir()]
    if not existing:
        hint = pull_hint(options[0])
        raise DataError(f"{yaml}: path: {path} is no folder; looked in {options[0]}{hint}")
    return existing[0]


def unique_names(paths: Sequence[Path]) -> list[str]:
    """File names with unique stems, one per image; equal stems get numbers."""
    plain = [_plain(path.stem) for path in paths]
    stems = Counter(plain)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(partial(count, 1))
    names = []
    for path, own in zip(paths, plain, strict=True):
        stem = own
        if stems[own] > 1:
            stem = next(s for n in numbers[own] if (s := f"{own}-{n}") not in stems)
        names.append(stem + path.suffix.lower())
    return names


def _plain(stem: str) -> str:
    """A stem that Ultralytics can use: it skips hidden files, and fails at numerals that are no digits."""
    stem = stem.lstrip(".") or "image"
    return f"image-{stem}" if stem.isnumeric() and not stem.isdecimal() else stem


def _examples(paths: list[Path]) -> list[Example]:
    named = zip(unique_names(paths), paths, strict=True)
    return [Example(name, str(path), partial(_read, path)) for name, path in named]


def _read(image: Path) -> tuple[bytes, str]:
    label = label_path(image)
    return image.read_bytes(), label.read_text(encoding="utf-8-sig") if label.is_file() else ""
