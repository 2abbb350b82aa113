"""From `data.source` to the checked data set that the pipeline trains on."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kdpipe.data import data_yaml, digits, keypoints, shipped
from kdpipe.data.examine import check_splits, examine
from kdpipe.data.findings import above_max_det, findings, without_splits
from kdpipe.data.labels import PARSERS, LabelRules
from kdpipe.data.manifest import Manifest, describe
from kdpipe.data.preview import save_preview
from kdpipe.data.source import Source
from kdpipe.data.write import write
from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.params.schema import Data, Validate
from kdpipe.paths import resolve, state_dir

EMBEDDED = "digits"
SOON_READ = 32 * 2**20  # bytes of images that are decoded within a second or two


@dataclass(frozen=True)
class Header:
    """What is known of a data set before it is prepared: its yaml's name, its classes, and the channels
    of its images.
    """

    name: str
    names: list[str]
    channels: int


def prepare(data: Data, out: Path) -> Manifest:
    """Write the checked data set, its manifest and a preview picture to `out`.

    Raises:
        ParamsError, DataError: if there is nothing there, or nothing that can be trained on.
    """
    source = open_source(data)
    rules = _rules(data, source)
    with nothing_half(out):
        written = write(source, rules, out)
        manifest = describe(data.source, rules, source, written)
        manifest.save(out)
        (out / "ORIGIN.txt").write_text(source.origin, encoding="utf-8")
        pictured = written.splits["train"], source.names, rules, out / "images/train"
        save_preview(*pictured, out / "preview.png")
    _signature_file(data.source).parent.mkdir(parents=True, exist_ok=True)
    _signature_file(data.source).write_text(_signature(source), encoding="utf-8")
    return manifest


@contextmanager
def nothing_half(out: Path) -> Iterator[None]:
    """Leave no folder behind that is not whole."""
    try:
        yield
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def check_source(data: Data) -> None:
    """Refuse a task or a source that cannot be prepared, without reading the images.

    Raises:
        ParamsError, DataError: naming the key, or the file.
    """
    if not data.source.strip():
        raise ParamsError("data.source", "empty; write digits, or the path of a data yaml")
    tasks = digits.LABELS if data.source == EMBEDDED else PARSERS
    if data.task not in tasks:
        raise ParamsError("data.task", f"{data.task!r}: {did_you_mean(data.task, tasks)}")
    header(data)


def check_images(data: Data, validate: Validate) -> list[str]:
    """Refuse images and labels of the user that cannot be prepared; return warnings about the others.

    Of large data sets only the files' names are looked at; stage prepare reads their content.

    Args:
        data: The data.
        validate: How it will be measured.

    Raises:
        ParamsError, DataError: naming the files.
    """
    if data.source == EMBEDDED or shipped.find(data.source):
        return []
    source = open_source(data)
    rules = _rules(data, source)
    check_splits(source)
    general = [*source.warnings, *without_splits(validate.splits, source.splits)]
    if sum(path.stat().st_size for path in source.files if path.is_file()) > SOON_READ:
        return general
    examined = examine(source, rules)
    splits = examined.splits
    crowded = [
        line
        for split in validate.splits
        for line in above_max_det(
            split, (len(checked.labels) for checked in splits.get(split, ())), validate.max_det
        )
    ]
    return [
        *general,
        *examined.warnings,
        *findings(splits, source.names, data.task, source.annotations),
        *crowded,
    ]


def header(data: Data) -> Header:
    """What `data.source` says of itself, without its images.

    Raises:
        ParamsError, DataError: if it is not there or cannot be read.
    """
    if data.source == EMBEDDED:
        return Header(EMBEDDED, list(digits.NAMES.values()), data_yaml.RGB)
    yaml = shipped.find(data.source) or data_yaml.find_yaml(resolve(data.source))
    return Header(yaml.stem, *data_yaml.header(yaml))


def open_source(data: Data) -> Source:
    """The source that `data.source` names: digits, a shipped data yaml, a file or a folder."""
    if data.source == EMBEDDED:
        return digits.source(data.digits, data.task)
    yaml = shipped.find(data.source)
    if yaml is not None:
        found = data_yaml.read(yaml, data.task, base=shipped.download(yaml))
    else:
        found = data_yaml.read(data_yaml.find_yaml(resolve(data.source)), data.task)
    return replace(found, extra=keypoints.used(data.task, found.extra))


def _rules(data: Data, source: Source) -> LabelRules:
    return LabelRules(data.task, len(source.names), keypoints.shape_of(data.task, source.extra))


def source_changed(data: Data) -> bool:
    """Whether the user's files are others than when this machine last prepared them.

    DVC sees params.yaml and the prepared copy, not files outside the repository.
    """
    known = _signature_file(data.source)
    return known.exists() and known.read_text(encoding="utf-8") != _signature(open_source(data))


def _signature_file(name: str) -> Path:
    return state_dir() / "sources" / hashlib.sha256(name.encode()).hexdigest()[:32]


def _signature(source: Source) -> str:
    """Changes with the content list: every file's path, size and time of change."""
    state = hashlib.sha256()
    for path in source.files:
        if path.is_file():
            stat = path.stat()
            state.update(f"{path}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return state.hexdigest()
