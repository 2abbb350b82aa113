"""Data yamls that lack a val split, as CVAT and others export them, or that are in a zip."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from kdpipe.data import data_yaml
from kdpipe.data.images import SUFFIXES
from kdpipe.data.importing.annotations import Annotations, Image, label_problem, listed, text_of
from kdpipe.data.label_files import label_path
from kdpipe.data.listing import is_binary, list_images
from kdpipe.data.names import class_names, read_fields
from kdpipe.errors import DataError
from kdpipe.params.schema import SPLITS


def yaml_of(place: Path) -> Path | None:
    """The data yaml that is given, or the only one in a folder; None if there is none."""
    if place.is_dir():
        found = data_yaml.data_yamls(place)
        return found[0] if len(found) == 1 else None
    return place if place.suffix.lower() in (".yaml", ".yml") else None


def read(yaml: Path, task: str, *, unpacked: bool) -> tuple[dict[str, Annotations], list[str]]:
    """Annotations by split of a data yaml.

    Args:
        yaml: The data yaml.
        task: Task of the labels.
        unpacked: Whether it is from an archive, so that there is no such file.

    Raises:
        DataError: if it can be used as it is, or images or labels are missing or broken.
    """
    fields = read_fields(yaml)
    root = data_yaml.root_of(yaml, fields.get("path"))
    if not unpacked and _is_usable(yaml, task):
        raise DataError(f"{yaml.parent} has a data yaml already: write data.source: {yaml} into params.yaml")
    names = list(class_names(yaml, fields).values())
    parts, said = {}, []
    for split in SPLITS:
        entry = data_yaml.entry_of(fields, split)
        if entry is None:
            continue
        paths = _listed(root, entry) or list_images(yaml, split, root, entry).images
        extra = {key: value for key, value in fields.items() if key not in data_yaml.NOT_CARRIED}
        parts[split] = Annotations(names, [_image(path, len(names)) for path in paths], extra)
        if not paths:
            said.append(f"{yaml}: {split} has no images, so it is left out")
    parts = {split: part for split, part in parts.items() if part.images}
    if "train" not in parts:
        raise DataError(f"{yaml}: no images for train; write the folder or the list of its images")
    return parts, said


def _is_usable(yaml: Path, task: str) -> bool:
    """Whether `data.source` can be this data yaml."""
    try:
        return bool(data_yaml.read(yaml, task).splits.get("val"))
    except DataError:
        return False


def _listed(root: Path, entry: object) -> list[Path]:
    """Images of a list whose paths begin with folders that are not there, such as `data/` in CVAT's."""
    place = root / str(entry)
    if not isinstance(entry, str) or not place.is_file() or is_binary(place):
        return []
    lines = [line.strip().replace("\\", "/") for line in text_of(place, "a list of images").splitlines()]
    found = {line: _below(root, line) for line in lines if line}
    if missing := [line for line, path in found.items() if path is None]:
        raise DataError(f"{place} lists images that are not there: {len(missing)} ({listed(missing)})")
    return sorted({path for path in found.values() if path and path.suffix.lower() in SUFFIXES})


def _below(root: Path, line: str) -> Path | None:
    parts = [part for part in PurePosixPath(line).parts if part not in ("/", ".", "..")]
    options = (root.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((path for path in options if path.is_file()), None)


def _image(path: Path, classes: int) -> Image:
    label = label_path(path)
    if not label.is_file():
        return Image(path, "", has_labels=False)
    text = text_of(label, "labels")
    if problem := label_problem(text, classes):
        raise DataError(f"{label}: {problem}")
    return Image(path, text)
