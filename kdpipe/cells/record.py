"""Record of a finished training: settings, environment and results. The runs in MLflow are made from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kdpipe.errors import damaged

RECORD_FILE = "record.json"
METRICS_FILE = "metrics.json"
IDENTITY_FILE = "identity.json"
REMEDY = "`dvc repro` restores it from DVC's cache, or makes it again"
CODE = ("recipe", "versions")  # fields of an identity that describe the training code
CLASS, COCO_CLASS = "class/", "coco/class/"  # prefixes of per-class metrics
ANEW_METRIC = "anew/mAP50-95"  # Ultralytics' own, with BatchNorm statistics computed anew
# Packages in a record's environment that can change a result.
DECISIVE_PACKAGES = ("ultralytics-opencv-headless", "ultralytics", "torch", "torchvision")

Metrics = dict[str, dict[str, dict[str, float]]]
"""Final metrics of a checkpoint: split -> head -> metric name -> value."""


@dataclass(frozen=True)
class Identity:
    """Settings, inputs and code versions of a training: everything that can change its result.

    Digests are of file contents. `arguments` are the train arguments of params.yaml after overrides. `recipe`
    is the version of kdpipe's training code, `versions` are those of ultralytics and torch; both are None in
    older records. `method` has the settings of the distillation method; None is Ultralytics' own.
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
    method: dict[str, Any] | None = None
    recipe: int | None = None
    versions: dict[str, str] | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the identity, 32 hex digits, the same on every machine."""
        content = asdict(self)
        for name in (*CODE, "method"):
            if content[name] is None:  # older records must keep their fingerprint
                del content[name]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def same_but_for_code(self, other: Identity) -> bool:
        """Whether another identity is equal, apart from the versions of the training code."""
        return replace(self, recipe=None, versions=None) == replace(other, recipe=None, versions=None)


@dataclass(frozen=True)
class Record:
    """Settings and results of a finished training.

    `arguments` are the final arguments of Ultralytics' trainer, and `gflops` is for one image of their
    `imgsz`. `file_bytes` is the size of best.pt. `started` and `finished` are in seconds since 1970;
    `seconds` is the training time alone.
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
        """Write the record into the training's folder."""
        _write(folder / RECORD_FILE, json.dumps(asdict(self), indent=2, sort_keys=True))


def save_identity(identity: Identity, work: Path) -> None:
    """Write the identity of an unfinished training into its work folder."""
    (work / IDENTITY_FILE).write_text(
        json.dumps(asdict(identity), indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )


def load_identity(work: Path) -> Identity | None:
    """Identity of the unfinished training in a work folder; None if it is missing or incomplete."""
    try:
        return Identity(**json.loads((work / IDENTITY_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def load_record(folder: Path) -> Record:
    """Read the record of a finished training.

    Raises:
        KdpipeError: if the file is empty, cut short, or no record.
    """
    path = folder / RECORD_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{**content, "identity": Identity(**content["identity"])})
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(path, error, REMEDY) from error


def save_metrics(folder: Path, metrics: Metrics) -> None:
    """Write a checkpoint's metrics into its validation folder."""
    _write(folder / METRICS_FILE, json.dumps(metrics, indent=2))


def load_metrics(folder: Path) -> Metrics:
    """Read a checkpoint's metrics.

    Raises:
        KdpipeError: if the file is empty or cut short.
    """
    path = folder / METRICS_FILE
    try:
        metrics: Metrics = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise damaged(path, error, REMEDY) from error
    return metrics


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all, also on a full disk."""
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)
