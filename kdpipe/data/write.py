"""Write the data set for the pipeline, after a check of all images and labels."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdpipe.data import coco_annotations
from kdpipe.data.examine import CheckedExample, check_splits, examine
from kdpipe.data.findings import findings
from kdpipe.data.labels import LabelRules
from kdpipe.data.source import Source
from kdpipe.params.yaml_text import dump


@dataclass(frozen=True)
class PreparedData:
    """A data set that was written: images by split, digest and warnings."""

    splits: dict[str, list[CheckedExample]]
    digest: str
    warnings: list[str]


def write(source: Source, rules: LabelRules, out: Path) -> PreparedData:
    """Check a source and copy it to `out` in Ultralytics' layout; the source is only read.

    Args:
        source: The data set.
        rules: Its label rules.
        out: Output folder, which is replaced.

    Raises:
        DataError: if the data would spoil a training; lists counts and the first files.
    """
    check_splits(source)
    shutil.rmtree(out, ignore_errors=True)
    examined = examine(source, rules, out)
    splits = examined.splits
    _write_yaml(source, out)
    misfits = list(_carry_annotations(splits, source, out, rules.task))
    annotated = {path.stem for path in (out / coco_annotations.FOLDER).glob("*.json")}
    warnings = [
        *source.warnings,
        *examined.warnings,
        *misfits,
        *findings(splits, source.names, rules.task, annotated),
    ]
    return PreparedData(splits, _digest(splits, source, rules, out), warnings)


def _digest(splits: dict[str, list[CheckedExample]], source: Source, rules: LabelRules, out: Path) -> str:
    """Digest of the data set, 32 hex digits, from task, keypoints, class names and all files."""
    more = sorted((key, value) for key, value in source.extra.items() if key != "kpt_shape")
    known = (rules.task, rules.kpt_shape, sorted(source.names.items()), *([more] if more else []))
    state = hashlib.sha256(repr(known).encode())
    for split, examples in sorted(splits.items()):
        for checked in sorted(examples, key=lambda item: item.example.name):
            state.update(f"{split}/{checked.example.name}:{checked.digest}\n".encode())
    for path in sorted((out / coco_annotations.FOLDER).glob("*.json")):
        state.update(f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return state.hexdigest()[:32]


def _carry_annotations(
    splits: dict[str, list[CheckedExample]], source: Source, out: Path, task: str
) -> Iterator[str]:
    """Copy COCO annotation files if there are any; yield a warning for each that does not fit."""
    for split, path in source.annotations.items():
        images = {
            Path(checked.example.where).name: coco_annotations.Labelled(checked.example.name, checked.labels)
            for checked in splits[split]
        }
        if len(images) < len(splits[split]):
            yield f"{split} is measured against its label files: images of one name are in several folders"
            continue
        copy = out / coco_annotations.FOLDER / f"{split}.json"
        if problem := coco_annotations.carry(path, source.names, images, copy, task):
            yield problem


def _write_yaml(source: Source, out: Path) -> None:
    content: dict[str, Any] = {split: f"images/{split}" for split in source.splits}
    content |= {"names": dict(source.names), **source.extra}
    (out / "data.yaml").write_text(dump(content), encoding="utf-8")
