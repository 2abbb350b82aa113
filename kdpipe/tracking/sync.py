"""Update MLflow from the records of finished trainings."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import Metric, Run
from rich.console import Console
from rich.markup import escape

from kdpipe.cells.cell import Cell
from kdpipe.cells.record import save_metrics
from kdpipe.cells.work import is_running
from kdpipe.models.names import HEADS
from kdpipe.params.schema import Tracking
from kdpipe.tracking import fields
from kdpipe.tracking.deadline import Deadline
from kdpipe.tracking.errors import reachable, reason
from kdpipe.tracking.finished import KEPT, FinishedCell, finished_cells
from kdpipe.tracking.store import RunIndex, Store

CONTENT = "record_digest"
WRITES = "record_writes"  # how often the final metrics of a run were written
LARGEST = sys.float_info.max  # MLflow stores infinity as this


@dataclass(frozen=True)
class SyncResult:
    """What a sync changed, or would change.

    `published` are the ids of trainings whose runs were brought up to date, `killed` those whose runs were
    marked as killed; `runs` are the finished runs in MLflow, by fingerprint.
    """

    store: Store
    published: list[str]
    killed: list[str]
    runs: dict[str, Run]


def sync(tracking: Tracking, finished: Iterable[FinishedCell], *, dry_run: bool = False) -> SyncResult:
    """Make MLflow hold exactly one run per training, equal to its record.

    Runs of this repository that are marked as running, but have no process any more, are marked as killed.

    Args:
        tracking: The MLflow settings of params.yaml.
        finished: The finished trainings; of several records of one training the first is used.
        dry_run: Change no run, only return what would change.

    Raises:
        KdpipeError: if the store cannot be used.
    """
    with reachable(tracking):
        store = Store(tracking)
        known: RunIndex | None = None
        published: list[str] = []
        runs: dict[str, Run | None] = {}
        for cell in finished:
            fingerprint = cell.record.fingerprint
            if fingerprint in runs:
                continue
            known = store.runs() if known is None else known
            found = known.of_cells.get(fingerprint, [])
            if not _is_right(found, cell, known):
                published.append(cell.cell.id)
                found = found if dry_run else [_publish(store, found, cell)]
            runs[fingerprint] = found[0] if found else None
        killed = _mark_killed(store, dry_run=dry_run)
        return SyncResult(
            store, published, killed, {key: run for key, run in runs.items() if run is not None}
        )


def publish_quietly(tracking: Tracking, cell: Cell, console: Console, deadline: Deadline) -> None:
    """Publish a training now if MLflow takes it in time; otherwise the report stage does it later.

    Args:
        tracking: The MLflow settings of params.yaml.
        cell: The finished training.
        console: Where to print a warning.
        deadline: How long to wait; what the end of the training has used of it counts.
    """

    def publish() -> None:
        store, (finished,) = Store(tracking), finished_cells([cell])
        _publish(store, store.runs_here(finished.record.fingerprint), finished)

    error = deadline.run(publish)
    if error is not None:  # the result is on disk whatever a store raises
        console.print(
            f"[yellow]warning:[/] {escape(reason(tracking, error))}; the report stage or `kdpipe sync` will "
            f"log {cell.id}"
        )


def _is_right(found: list[Run], finished: FinishedCell, known: RunIndex) -> bool:
    """Whether a training has exactly one run, which shows its record and has an existing parent."""
    if len(found) != 1:
        return False
    tags = found[0].data.tags
    if fields.ARM not in found[0].data.params:  # a run of kdpipe 0.1
        return False
    if tags.get(CONTENT) != finished.digest or tags.get(fields.PARENT) not in known.ids:
        return False
    return not _changed(_final_metrics(finished), found[0].data.metrics)


def _publish(store: Store, found: list[Run], finished: FinishedCell) -> Run:
    """Make the run of a training equal to its record."""
    right, other = (found[:1], found[1:]) if found and _continues(store, found[0], finished) else ([], found)
    for run in other:
        store.client.delete_run(run.info.run_id)
    record = finished.record
    parent = _parent(store, finished)
    tags = fields.tags(record.identity, record.environment, finished.state, parent)
    tags += fields.weights(finished.cell, record)
    run_id = right[0].info.run_id if right else _recreate(store, finished)
    shown = right[0].data.metrics if right else {}
    writes = _writes(right[0], finished) if right else 0
    # Before the metrics: after an interruption, the next write has another step in any case.
    store.client.set_tag(run_id, WRITES, str(writes + 1))
    store.client.log_batch(
        run_id,
        metrics=_outcome(finished, shown, writes),
        params=fields.params(record.identity, record.arguments),
        tags=tags,
    )
    _log_artifacts(store, run_id, finished)
    store.client.set_terminated(run_id, "FINISHED", round(record.finished * 1000))
    store.client.set_tag(run_id, CONTENT, finished.digest)
    return store.client.get_run(run_id)


def _writes(run: Run, finished: FinishedCell) -> int:
    """Return how often the final metrics of a run were written; runs of kdpipe 0.1 do not say it."""
    written = not _final_metrics(finished).keys().isdisjoint(run.data.metrics)
    return int(run.data.tags.get(WRITES, written))


def _outcome(finished: FinishedCell, shown: Mapping[str, float], writes: int) -> list[Metric]:
    """Return the final metrics and costs that a run does not show yet.

    MLflow draws metrics whose only step is 0 as bars. It shows the value of the largest step, and of equal
    steps that of the latest time: each later write has a step of its own, because clocks may be wrong.
    """
    changed = _changed(_final_metrics(finished), shown)
    new = {name: value for name, value in changed.items() if name not in shown}
    other = {name: value for name, value in changed.items() if name in shown}
    at = finished.record.finished
    return fields.metrics(new, at, 0) + fields.metrics(other, at, finished.record.epochs + writes)


def _final_metrics(finished: FinishedCell) -> dict[str, float]:
    return finished.overall_metrics | fields.costs(finished.record)


def _changed(values: Mapping[str, float], shown: Mapping[str, float]) -> dict[str, float]:
    """Return the values that are not shown, or shown otherwise."""
    return {
        name: value for name, value in values.items() if name not in shown or not _same(value, shown[name])
    }


def _same(value: float, shown: float) -> bool:
    """Whether MLflow shows a value; it stores no infinite ones."""
    if isnan(value) or isnan(shown):
        return isnan(value) and isnan(shown)
    return max(-LARGEST, min(value, LARGEST)) == max(-LARGEST, min(shown, LARGEST))


def _parent(store: Store, finished: FinishedCell) -> str:
    return store.parent(finished.state, started=finished.record.started, finished=finished.record.finished)


def _continues(store: Store, run: Run, finished: FinishedCell) -> bool:
    """Whether a run was logged by the training of this record, without a gap.

    It must not have metrics of a validation that the record lacks: MLflow cannot delete a metric of a run.
    """
    if (
        run.data.tags.get(fields.WEIGHTS_DIGEST, finished.record.weights_digest)
        != finished.record.weights_digest
    ):
        return False
    epochs, samples = [int(row["epoch"]) for row in finished.history], range(1, len(finished.system) + 1)
    for rows, steps in ((finished.history, epochs), (finished.system, list(samples))):
        name = next((key for key in rows[0] if "/" in key), None) if rows else None
        logged = store.client.get_metric_history(run.info.run_id, name) if name else []
        if sorted(metric.step for metric in logged) != steps:
            return False
    validated = {name for name in run.data.metrics if not set(HEADS).isdisjoint(name.split("/"))}
    return validated <= finished.overall_metrics.keys()


def _recreate(store: Store, finished: FinishedCell) -> str:
    """Create a run from the record alone, with the original times."""
    run_id = store.new_run(finished.record.identity, finished.record.started)
    found = [*fields.history(finished.history, "epoch"), *fields.history(finished.system)]
    for batch in fields.batches(found):
        store.client.log_batch(run_id, metrics=batch)
    return run_id


def _log_artifacts(store: Store, run_id: str, finished: FinishedCell) -> None:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in KEPT:
            if (finished.folder / name).exists():
                shutil.copyfile(finished.folder / name, folder / name)
        if finished.metrics:
            save_metrics(folder, finished.metrics)
        store.client.log_artifacts(run_id, temporary)


def _mark_killed(store: Store, *, dry_run: bool) -> list[str]:
    """Mark runs as killed: a killed process cannot do it itself."""
    found = []
    for run in store.running_here():
        if not is_running(run.data.tags[fields.FINGERPRINT]):
            found.append(str(run.data.tags["cell"]))
            if not dry_run:
                store.client.set_terminated(run.info.run_id, "KILLED")
    return found
