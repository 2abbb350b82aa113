"""The record of a cell: what it is and what came out. The truth that MLflow is a view of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

RECORD_FILE = "record.json"
METRICS_FILE = "metrics.json"
IDENTITY_FILE = "identity.json"
CODE = ("recipe", "versions")  # of an identity: the code that trains
CLASS, COCO_CLASS = "class/", "coco/class/"  # how metrics of single classes begin
# What of a record's environment can change a result.
DECISIVE_PACKAGES = ("ultralytics-opencv-headless", "ultralytics", "torch", "torchvision")

Metrics = dict[str, dict[str, dict[str, float]]]
"""Final metrics of a checkpoint: split, head, metric."""


@dataclass(frozen=True)
class Identity:
    """Everything that can change a cell's result, and the names by which people know it.

    Digests are of file contents; `arguments` are the train arguments of params.yaml after overrides.
    `recipe` is the version of kdpipe's own training code, `versions` are those of ultralytics and torch;
    records of before these were kept have neither.
    """

    cell: str
    kind: str
    task: str
    seed: int
    model: str
    init: str
    init_digest: str | None
    data: str
    data_digest: str
    arguments: dict[str, Any]
    student: str | None = None
    teacher: str | None = None
    pair: str | None = None
    dis: int | float | None = None
    teacher_digest: str | None = None
    model_digest: str | None = None
    recipe: int | None = None
    versions: dict[str, str] | None = None

    @property
    def fingerprint(self) -> str:
        """32 hex digits that are the same for the same identity, on every machine."""
        content = asdict(self)
        for name in CODE:
            if content[name] is None:  # so that older records keep their fingerprint
                del content[name]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def same_but_for_code(self, other: Identity) -> bool:
        """Whether another identity differs in the versions of the code that trains, at most."""
        return replace(self, recipe=None, versions=None) == replace(other, recipe=None, versions=None)


@dataclass(frozen=True)
class Record:
    """A finished cell.

    `arguments` are those that Ultralytics used in the end; `gflops` are of one image of the training's
    size; `file_bytes` is the size of best.pt. Times are seconds since 1970, UTC; `seconds` is the
    training alone.
    """

    identity: Identity
    fingerprint: str
    arguments: dict[str, Any]
    epochs: int
    parameters: int
    gflops: float
    file_bytes: int
    weights_digest: str
    seconds: float
    peak_memory_mib: int
    started: float
    finished: float
    environment: dict[str, str]

    def save(self, folder: Path) -> None:
        """Write the record into the cell's folder."""
        (folder / RECORD_FILE).write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")


def save_identity(identity: Identity, work: Path) -> None:
    """Note in the folder of an unfinished training what is trained there."""
    (work / IDENTITY_FILE).write_text(json.dumps(asdict(identity), indent=2, sort_keys=True) + "\n")


def load_identity(work: Path) -> Identity | None:
    """What is trained in such a folder; None if it does not say, or was written halfway."""
    try:
        return Identity(**json.loads((work / IDENTITY_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def load_record(folder: Path) -> Record:
    """Read the record of a finished cell."""
    content = json.loads((folder / RECORD_FILE).read_text())
    return Record(**{**content, "identity": Identity(**content["identity"])})


def save_metrics(folder: Path, metrics: Metrics) -> None:
    """Write a checkpoint's metrics into the folder of its validation."""
    (folder / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n")


def load_metrics(folder: Path) -> Metrics:
    """Read a checkpoint's metrics."""
    metrics: Metrics = json.loads((folder / METRICS_FILE).read_text())
    return metrics
