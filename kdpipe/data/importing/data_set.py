"""Data yamls that lack a val split, as CVAT and others export them, or that are in a zip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from kdpipe.data import data_yaml
from kdpipe.data.importing.annotations import Annotations, Image, label_problem, listed, text_of
from kdpipe.data.label_files import label_path, refuse_astray
from kdpipe.data.listing import Listing, is_binary, list_images, of_files
from kdpipe.data.names import class_names, read_fields
from kdpipe.errors import DataError, counted
from kdpipe.params.schema import SPLITS
from kdpipe.paths import pull_hint


def yaml_of(place: Path) -> Path | None:
    """The data yaml that is given, or the one in a folder; None if there is none.

    Raises:
        DataError: if a folder has several.
    """
    if place.is_dir():
        found = data_yaml.data_yamls(place)
        if len(found) > 1:
            names = listed(path.name for path in found)
            raise DataError(f"{place} has several data yamls ({names}); give the one that is meant")
        return found[0] if found else None
    return place if place.suffix.lower() in (".yaml", ".yml") else None


def read(yaml: Path, task: str, unpacked: Path | None) -> tuple[dict[str, Annotations], list[str]]:
    """Annotations by split of a data yaml.

    Args:
        yaml: The data yaml.
        task: Task of the labels.
        unpacked: The folder of the archive that it is from, if it is from one; nothing else is read.

    Raises:
        DataError: if it can be used as it is, leads out of the archive, or images or labels are missing or
            broken.
    """
    fields = read_fields(yaml)
    root = data_yaml.root_of(yaml, fields.get("path"))
    if not unpacked and _is_usable(yaml, task):
        raise DataError(f"{yaml.parent} has a data yaml already: write data.source: {yaml} into params.yaml")
    names = list(class_names(yaml, fields).values())
    extra = {key: value for key, value in fields.items() if key not in data_yaml.NOT_CARRIED}
    entries = {split: data_yaml.entry_of(fields, split) for split in SPLITS}
    if unpacked:
        entries = {split: _inside(yaml, root, entry, unpacked) for split, entry in entries.items()}
    said = data_yaml.take_out_absent(yaml, root, entries, ["val", "test"])
    parts = {}
    for split, entry in entries.items():
        if entry is None:
            continue
        listing = _listing(yaml, split, root, entry)
        said += listing.warnings
        if unpacked:
            refuse_outside(listing.images, [unpacked], yaml)
        refuse_astray(split, listing.images)
        parts[split] = Annotations(names, [_image(path, len(names)) for path in listing.images], extra)
        if not listing.images:
            said.append(f"{yaml}: {split} has no images, so it is left out")
        elif split == "test" and not any(image.has_labels for image in parts[split].images):
            said.append(f"{yaml}: test has no label files, so there is no test split")
            del parts[split]
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


def _inside(yaml: Path, root: Path, entry: object, unpacked: Path) -> object:
    """What a data yaml says of a split, without the step up that Roboflow writes if it leads out."""
    if isinstance(entry, list):
        return [_inside(yaml, root, item, unpacked) for item in entry]
    if not isinstance(entry, str) or _is_inside(root / entry, unpacked):
        return entry
    below = entry.removeprefix("../")
    if below != entry and _is_inside(root / below, unpacked):
        return below
    raise DataError(f"{yaml}: {entry} leads out of the archive; do not use this zip")


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def refuse_outside(paths: Iterable[Path], folders: Sequence[Path], where: Path) -> None:
    """Refuse files of this machine that an archive names.

    Args:
        paths: The files.
        folders: Folders in which they may be.
        where: What names them.

    Raises:
        DataError: naming the first ones.
    """
    if outside := [path for path in paths if not any(_is_inside(path, folder) for folder in folders)]:
        files = counted(len(outside), "image", "images")
        raise DataError(f"{where} names {files} out of the archive ({listed(outside)}); do not use this zip")


def _listing(yaml: Path, split: str, root: Path, entry: object) -> Listing:
    """Images of a split, also of a list whose paths begin with folders that are not there, as in CVAT's."""
    try:
        return list_images(yaml, split, root, entry)
    except DataError:
        if not isinstance(entry, str) or not (root / entry).is_file() or is_binary(root / entry):
            raise
    files = _stripped(root / entry, root)
    return of_files(f"{yaml}: {split}", f"{split}: ", files)


def _stripped(place: Path, root: Path) -> list[Path]:
    """The files of a list, without leading folders where there is no such file."""
    lines = [line.strip().replace("\\", "/") for line in text_of(place, "a list of images").splitlines()]
    found = {line: _below(place.parent, line) or _below(root, line) for line in lines if line}
    if missing := [line for line, path in found.items() if path is None]:
        hint = pull_hint(place.parent / missing[0])
        raise DataError(f"{place} lists images that are not there: {len(missing)} ({listed(missing)}){hint}")
    return [path for path in found.values() if path]


def _below(folder: Path, line: str) -> Path | None:
    parts = [part for part in PurePosixPath(line).parts if part not in ("/", ".", "..")]
    options = (folder / line, *(folder.joinpath(*parts[start:]) for start in range(len(parts))))
    return next((path for path in options if path.is_file()), None)


def _image(path: Path, classes: int) -> Image:
    label = label_path(path)
    if not label.is_file():
        return Image(path, "", has_labels=False)
    text = text_of(label, "labels")
    if problem := label_problem(text, classes):
        raise DataError(f"{label}: {problem}")
    return Image(path, text)
