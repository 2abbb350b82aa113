"""What of a cell becomes a tag, a param or a metric of its run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from kdpipe.cells.cell import BEST_FILE, Cell
from kdpipe.cells.history import ENDED
from kdpipe.cells.record import Identity, Record
from kdpipe.tracking.parents import STATE, State

FINGERPRINT = "fingerprint"
PARENT = "mlflow.parentRunId"
WEIGHTS_DIGEST = "weights_digest"
# Few and chosen: the whole configuration is an artifact.
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
    """What a run is found by, and the run of the pipeline's state that it stands under."""
    found = {
        FINGERPRINT: identity.fingerprint,
        "cell": identity.cell,
        "stage": identity.kind,
        "task": identity.task,
        "seed": identity.seed,
        "pair": identity.pair,
        "student": identity.student,
        "teacher": identity.teacher,
        "dis": identity.dis,
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
    """Where the weights are: DVC keeps them, MLflow does not."""
    path = cell.train_dir / BEST_FILE
    note = f"Weights: `{path}`, kept by DVC (`dvc pull {cell.train_dir}` where they are missing)."
    found = {"weights": str(path), WEIGHTS_DIGEST: record.weights_digest, "mlflow.note.content": note}
    return [RunTag(key, value) for key, value in found.items()]


def params(identity: Identity, arguments: Mapping[str, Any]) -> list[Param]:
    """What runs are compared by, under the names of params.yaml."""
    found = {
        "data.source": identity.data,
        "data.task": identity.task,
        "student": identity.student,
        "teacher": identity.teacher,
        "model": identity.model,
        "init": identity.init,
        "dis": identity.dis,
        "seed": identity.seed,
        **{f"train.{name}": arguments[name] for name in TRAIN_PARAMS if name in arguments},
    }
    return [Param(key, str(value)) for key, value in found.items() if value is not None]


def costs(record: Record) -> dict[str, float]:
    """What a training took, and what it made."""
    return {
        "cost/seconds": record.seconds,
        "cost/peak_memory_mib": record.peak_memory_mib,
        "cost/parameters": record.parameters,
        "cost/gflops": record.gflops,
        "cost/file_bytes": record.file_bytes,
    }


def metrics(values: Mapping[str, float], at: float, step: int) -> list[Metric]:
    """Numbers of one moment; `at` is in seconds since 1970."""
    return [Metric(key, value, round(at * 1000), step) for key, value in values.items()]


def history(rows: Iterable[Mapping[str, float]], steps: str | None = None) -> Iterator[Metric]:
    """The metrics of a history, at the times its rows were written; steps are a column, or count rows."""
    for number, row in enumerate(rows, start=1):
        values = {name: value for name, value in row.items() if "/" in name or name == "lr"}
        yield from metrics(values, row[ENDED], int(row[steps]) if steps else number)


def datasets(identity: Identity) -> list[DatasetInput]:
    """The data set's identity; MLflow searches runs by `dataset.digest`."""
    dataset = Dataset(identity.data, identity.data_digest, "local", f'{{"uri": "{identity.data}"}}')
    return [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]


def batches(entries: list[Metric], size: int = 1000) -> Iterable[list[Metric]]:
    """Metrics in the portions that MLflow takes at once."""
    return (entries[start : start + size] for start in range(0, len(entries), size))
