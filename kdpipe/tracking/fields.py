"""Convert a training into the tags, params and metrics of its MLflow run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from kdpipe.cells.cell import BEST_FILE, Cell, arm
from kdpipe.cells.history import ENDED
from kdpipe.cells.record import Identity, Record
from kdpipe.params.schema import L2
from kdpipe.tracking.parents import STATE, State

ARM = "arm"
FINGERPRINT = "fingerprint"
NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
WEIGHTS_DIGEST = "weights_digest"
# Only the most useful ones: the whole configuration is an artifact.
TRAIN_PARAMS = (
    "epochs",
    "imgsz",
    "batch",
    "nbs",
    "optimizer",
    "lr0",
    "lrf",
    "weight_decay",
    "mosaic",
    "amp",
    "device",
)


def tags(identity: Identity, environment: Mapping[str, str], state: State, parent: str) -> list[RunTag]:
    """Return the tags that identify a run and link it to its parent run.

    Args:
        identity: What is trained.
        environment: Versions and commits, as in the record.
        state: The state of the pipeline (commit and params.yaml) at the time of the training.
        parent: Run id of that state's parent run.
    """
    found = {
        FINGERPRINT: identity.fingerprint,
        "cell": identity.cell,
        "stage": identity.kind,
        "task": identity.task,
        "git_commit": environment["git_commit"],
        STATE: state.key,
        PARENT: parent,
        "mlflow.source.name": "kdpipe",
        "mlflow.source.git.commit": environment["git_commit"],
        "dvc_experiment": environment.get("dvc_experiment"),
        "dvc_baseline": environment.get("dvc_baseline"),
    }
    return [RunTag(key, str(value)) for key, value in found.items() if value is not None]


def weights(cell: Cell, record: Record) -> list[RunTag]:
    """Return tags with the path of the weights: DVC stores them, MLflow does not."""
    path = cell.train_dir / BEST_FILE
    note = f"Weights: `{path}`, stored by DVC (if missing: `dvc pull {cell.train_dir}`)."
    found = {"weights": str(path), WEIGHTS_DIGEST: record.weights_digest, NOTE: note}
    return [RunTag(key, value) for key, value in found.items()]


def params(identity: Identity, arguments: Mapping[str, Any]) -> list[Param]:
    """Return the params by which runs are compared, under their names in params.yaml."""
    found = {
        ARM: arm_of(identity),
        "data.source": identity.data,
        "data.task": identity.task,
        "pair": identity.pair,
        "student": identity.student,
        "teacher": identity.teacher,
        "model": identity.model,
        "init": identity.init,
        "dis": identity.dis,
        **({"method": L2} if identity.dis is not None else {}),
        **(identity.method or {}),
        "seed": identity.seed,
        **{f"train.{name}": arguments[name] for name in TRAIN_PARAMS if name in arguments},
    }
    return [Param(key, str(value)) for key, value in found.items() if value is not None]


def arm_of(identity: Identity) -> str:
    """Return the name of the arm of a training."""
    kind, name, *_ = identity.cell.split("/")
    return arm(kind, name, None if identity.dis is None else str(identity.dis))


def costs(record: Record) -> dict[str, float]:
    """Return the costs of a training: time, memory, and the size of the model."""
    return {
        "cost/seconds": record.seconds,
        "cost/peak_memory_mib": record.peak_memory_mib,
        "cost/parameters": record.parameters,
        "cost/gflops": record.gflops,
        "cost/file_bytes": record.file_bytes,
    }


def metrics(values: Mapping[str, float], at: float, step: int) -> list[Metric]:
    """Return values as MLflow metrics of one point in time.

    Args:
        values: Values by metric name.
        at: The time, in seconds since 1970.
        step: The step in MLflow, such as the epoch.
    """
    return [Metric(key, value, round(at * 1000), step) for key, value in values.items()]


def history(rows: Iterable[Mapping[str, float]], steps: str | None = None) -> Iterator[Metric]:
    """Yield the metrics of a history, each row at the time when it was written.

    `steps` is the column with the step of a row; without it, rows are counted from 1.
    """
    for number, row in enumerate(rows, start=1):
        values = {name: value for name, value in row.items() if "/" in name or name == "lr"}
        yield from metrics(values, row[ENDED], int(row[steps]) if steps else number)


def datasets(identity: Identity) -> list[DatasetInput]:
    """Return the data set as an input of the run; MLflow searches runs by `dataset.digest`."""
    dataset = Dataset(identity.data, identity.data_digest, "local", json.dumps({"uri": identity.data}))
    return [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]


def batches(entries: list[Metric], size: int = 1000) -> Iterable[list[Metric]]:
    """Split metrics into batches that MLflow accepts in one request."""
    return (entries[start : start + size] for start in range(0, len(entries), size))
