"""Make MLflow equal to the records, and read the runs back as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
from mlflow.entities import Run
from rich.console import Console
from rich.markup import escape

from kdpipe.cells import Cell
from kdpipe.config import Tracking
from kdpipe.curves import save_curves
from kdpipe.errors import KdpipeError
from kdpipe.records import Record
from kdpipe.tracking import entries
from kdpipe.tracking.finished import ARTIFACTS, Finished, finished_cells
from kdpipe.tracking.store import FINGERPRINT, Store, tracking_uri
from kdpipe.work import is_running

CONTENT = "record_digest"
WEIGHTS = "weights_digest"


@dataclass(frozen=True)
class Synced:
    """What a sync did, or would do: cells whose runs were brought up to date, runs that were killed."""

    store: Store
    published: list[str]
    killed: list[str]


def publish(store: Store, finished: Finished, *, dry_run: bool = False) -> bool:
    """Make the run of a cell equal to its record, its only one; returns whether there is anything to do.

    With `dry_run` no run is changed.
    """
    found = store.runs_of(finished.record.fingerprint)
    run = found[0] if found else None
    right = run is not None and run.data.tags.get(CONTENT) == finished.digest
    if dry_run or (right and len(found) == 1):
        return not right or len(found) > 1
    for other in found[1:]:
        store.client.delete_run(other.info.run_id)
    if right:
        return True
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


def sync(tracking: Tracking, finished: Iterable[Finished], *, dry_run: bool = False) -> Synced:
    """Publish every cell, and mark runs as killed that no process of this machine trains any more.

    Of several records of one training, as two machines make them, the first is taken. With `dry_run`
    no run is changed.

    Raises:
        KdpipeError: if the store cannot be used.
    """
    try:
        store = Store(tracking)
        done, seen = [], set()
        for cell in finished:
            if cell.record.fingerprint not in seen and publish(store, cell, dry_run=dry_run):
                done.append(cell.cell.id)
            seen.add(cell.record.fingerprint)
        return Synced(store, done, _mark_killed(store, dry_run=dry_run))
    except KdpipeError:
        raise
    except Exception as error:  # of MLflow, its database, the network or the disk
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
    folder = finished.folder
    for name in ARTIFACTS:
        if (folder / name).exists():
            store.client.log_artifact(run_id, str(folder / name))
    if finished.history:
        with TemporaryDirectory() as temporary:
            path = Path(temporary) / "curves.png"
            save_curves({finished.cell.id: finished.history}, path)
            store.client.log_artifact(run_id, str(path))


def _mark_killed(store: Store, *, dry_run: bool) -> list[str]:
    """A process that is killed cannot say so."""
    found = []
    for run in store.running_here():
        if not is_running(run.data.tags[FINGERPRINT]):
            found.append(str(run.data.tags["cell"]))
            if not dry_run:
                store.client.set_terminated(run.info.run_id, "KILLED")
    return found
