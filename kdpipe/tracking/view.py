"""Make MLflow equal to the records, and read the runs back as a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Run
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from kdpipe.cells import Cell
from kdpipe.config import Tracking
from kdpipe.curves import save_curves
from kdpipe.errors import KdpipeError
from kdpipe.evaluation import RESAMPLES_FILE, load_resamples
from kdpipe.history import HISTORY_FILE, read_history
from kdpipe.records import METRICS_FILE, RECORD_FILE, Metrics, Record, load_metrics, load_record
from kdpipe.tracking import entries
from kdpipe.tracking.store import FINGERPRINT, Store, tracking_uri

CONTENT = "record_digest"
WEIGHTS = "weights_digest"
ARTIFACTS = ("record.json", "params.yaml", HISTORY_FILE, "train.log")


@dataclass(frozen=True)
class Finished:
    """A trained cell on disk, with its metrics per split and head as far as it was validated and
    evaluated, and its half samples by `split/head`.
    """

    cell: Cell
    record: Record
    history: list[dict[str, float]]
    metrics: Metrics
    resamples: dict[str, NDArray[np.float64]]

    @property
    def final_metrics(self) -> dict[str, float]:
        """The metrics by their names in MLflow, such as `val/e2e/mAP50-95`."""
        return {
            f"{split}/{head}/{name}": value
            for split, heads in self.metrics.items()
            for head, values in heads.items()
            for name, value in values.items()
        }

    @property
    def digest(self) -> str:
        """Changes with anything that the run must show."""
        content = json.dumps([asdict(self.record), self.history, self.metrics], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def finished_cells(cells: Iterable[Cell]) -> list[Finished]:
    """Those of the cells whose training is done."""
    return [_read(cell) for cell in cells if (cell.train_dir / RECORD_FILE).exists()]


def publish(store: Store, finished: Finished) -> bool:
    """Make the run of a cell equal to its record; returns whether there was anything to do."""
    run = store.find(finished.record.fingerprint)
    if run is not None and run.data.tags.get(CONTENT) == finished.digest:
        return False
    if run is not None and not _same_training(store, run, finished):
        store.client.delete_run(run.info.run_id)
        run = None
    run_id = run.info.run_id if run is not None else _recreate(store, finished)
    record = finished.record
    last = [*entries.metrics(finished.final_metrics, record.finished, record.epochs)]
    last += entries.metrics(_costs(record), record.finished, record.epochs)
    params = entries.params(record.identity, record.arguments)
    store.client.log_batch(run_id, metrics=last, params=params)
    _log_artifacts(store, run_id, finished)
    store.client.set_terminated(run_id, "FINISHED", round(record.finished * 1000))
    store.client.set_tag(run_id, WEIGHTS, record.weights_digest)
    store.client.set_tag(run_id, CONTENT, finished.digest)
    return True


def sync(tracking: Tracking, finished: Iterable[Finished]) -> tuple[Store, int]:
    """Publish every cell; returns the store and the number of runs that were brought up to date.

    Raises:
        KdpipeError: if the store cannot be used.
    """
    try:
        store = Store(tracking)
        return store, sum(publish(store, cell) for cell in finished)
    except Exception as error:
        raise KdpipeError(f"MLflow at {tracking_uri(tracking)} cannot be used: {error}") from error


def publish_quietly(tracking: Tracking, cell: Cell, console: Console) -> None:
    """Publish a cell now if the store can be reached; the report stage does it otherwise."""
    try:
        publish(Store(tracking), *finished_cells([cell]))
    except Exception as error:  # whatever a store may raise, the result is on disk
        console.print(
            f"[yellow]warning:[/] MLflow is away; the report stage will log {cell.id} ({escape(str(error))})"
        )


def runs_table(store: Store, fingerprints: Iterable[str]) -> pd.DataFrame:
    """The finished runs of these cells, as `mlflow.search_runs` gives them."""
    store.use()
    runs = mlflow.search_runs(
        experiment_names=[store.experiment], filter_string="attributes.status = 'FINISHED'"
    )
    assert isinstance(runs, pd.DataFrame)
    column = f"tags.{FINGERPRINT}"
    if column not in runs:
        return runs.iloc[:0]
    return runs[runs[column].isin(list(fingerprints))].reset_index(drop=True)


def _read(cell: Cell) -> Finished:
    metrics: Metrics = {}
    for folder in (cell.val_dir, cell.eval_dir):
        found = load_metrics(folder) if (folder / METRICS_FILE).exists() else {}
        for split, heads in found.items():
            for head, values in heads.items():
                metrics.setdefault(split, {}).setdefault(head, {}).update(values)
    resamples = cell.eval_dir / RESAMPLES_FILE
    return Finished(
        cell=cell,
        record=load_record(cell.train_dir),
        history=read_history(cell.train_dir / HISTORY_FILE),
        metrics=metrics,
        resamples=load_resamples(resamples) if resamples.exists() else {},
    )


def _costs(record: Record) -> dict[str, float]:
    return {
        "cost/seconds": record.seconds,
        "cost/peak_memory_mib": record.peak_memory_mib,
        "cost/parameters": record.parameters,
        "cost/gflops": record.gflops,
        "cost/file_bytes": record.file_bytes,
    }


def _same_training(store: Store, run: Run, finished: Finished) -> bool:
    """Whether a run was logged by the very training that the record is of, without a gap."""
    if run.data.tags.get(WEIGHTS, finished.record.weights_digest) != finished.record.weights_digest:
        return False
    if not finished.history:
        return True
    name = next(key for key in finished.history[0] if key.startswith("train/"))
    logged = [metric.step for metric in store.client.get_metric_history(run.info.run_id, name)]
    return sorted(logged) == [row["epoch"] for row in finished.history]


def _recreate(store: Store, finished: Finished) -> str:
    """A run made from the record alone, with the times as they were."""
    record = finished.record
    tags = {tag.key: tag.value for tag in entries.tags(record.identity, record.environment)}
    run = store.client.create_run(
        store.experiment_id,
        start_time=round(record.started * 1000),
        tags=tags,
        run_name=record.identity.cell,
    )
    run_id = str(run.info.run_id)
    store.client.log_inputs(run_id, datasets=entries.datasets(record.identity))
    found = []
    for row in finished.history:
        values = {name: value for name, value in row.items() if "/" in name or name == "lr"}
        found += entries.metrics(values, record.started + row["seconds"], int(row["epoch"]))
    for batch in entries.batches(found):
        store.client.log_batch(run_id, metrics=batch)
    return run_id


def _log_artifacts(store: Store, run_id: str, finished: Finished) -> None:
    folder = finished.cell.train_dir
    for name in ARTIFACTS:
        if (folder / name).exists():
            store.client.log_artifact(run_id, str(folder / name))
    if finished.history:
        with TemporaryDirectory() as temporary:
            path = Path(temporary) / "curves.png"
            save_curves({finished.cell.id: finished.history}, path)
            store.client.log_artifact(run_id, str(path))
