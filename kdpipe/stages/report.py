"""Report on every cell that params.yaml names, and show it in MLflow."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby, islice

from kdpipe.cells.cell import DATASET_DIR, all_cells
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Params
from kdpipe.report.fairness import unlike_pairs
from kdpipe.report.figure_data import MOST_CURVES
from kdpipe.report.results import Results
from kdpipe.report.runs import tidy
from kdpipe.report.write import Report, write_report
from kdpipe.tracking import FinishedCell, SyncResult, finished_cells, register, sync


@dataclass(frozen=True)
class ReportResult:
    """What was brought up to date in MLflow, what its runs say, and what was made of that."""

    synced: SyncResult
    registered: list[str]
    results: Results
    report: Report


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Do not search for garbage among many objects that all stay: that takes longer than reading them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_no_garbage()
def report_cells(params: Params, suspicions: Sequence[str]) -> ReportResult:
    """Make MLflow equal to the records, then the report from MLflow.

    `suspicions` are the warnings of the checks, which the report repeats.

    Raises:
        KdpipeError: if a cell is not trained and evaluated yet, or MLflow cannot be used.
    """
    finished = finished_cells(all_cells(params))
    missing = unfinished(params, finished)
    if missing:
        raise KdpipeError(f"not trained and evaluated yet: {', '.join(missing)}; run `dvc repro`")
    with ThreadPoolExecutor(2) as threads:  # files are slow where they are many, or far
        threads.map(FinishedCell.read_ahead, finished)
        synced = sync(params.tracking, finished)
    results = read_results(params, finished, synced)
    registered = register_best(params, finished, results)
    unlike = unlike_pairs(done.record for done in finished)
    histories = {done.cell.id: done.history for done in _drawn(finished) if done.history}
    warnings = [*load_manifest(DATASET_DIR).warnings, *suspicions]
    return ReportResult(synced, registered, results, write_report(results, histories, unlike, warnings))


def _drawn(finished: Iterable[FinishedCell]) -> Iterator[FinishedCell]:
    """Those whose curves are shown: the first of each kind."""
    for _, of_kind in groupby(finished, key=lambda done: done.cell.kind):
        yield from islice(of_kind, MOST_CURVES)


@_no_garbage()
def sync_cells(
    params: Params, others: Iterable[FinishedCell] = (), *, dry_run: bool = False
) -> tuple[SyncResult, list[str]]:
    """Make MLflow equal to the records of the cells, and of others; returns also what is newly registered.

    The best students can be told once every cell of params.yaml is done. With `dry_run` nothing changes.

    Raises:
        KdpipeError: if MLflow cannot be used.
    """
    finished = finished_cells(all_cells(params))
    synced = sync(params.tracking, chain(finished, others), dry_run=dry_run)
    if dry_run or unfinished(params, finished):
        return synced, []
    return synced, register_best(params, finished, read_results(params, finished, synced))


def unfinished(params: Params, finished: Iterable[FinishedCell]) -> list[str]:
    """The cells of params.yaml that are not trained and evaluated yet."""
    done = {cell.cell for cell in finished if cell.evaluated}
    return [cell.id for cell in all_cells(params) if cell not in done]


def read_results(params: Params, finished: Sequence[FinishedCell], synced: SyncResult) -> Results:
    """What the runs in MLflow say; half samples and single classes come from the cells' own files."""
    splits = measured_splits(params, load_manifest(DATASET_DIR))
    cells = {done.cell.id: done for done in finished}
    runs = [synced.runs[done.record.fingerprint].to_dictionary() for done in finished]
    return tidy(runs, splits, cells)


def register_best(params: Params, finished: Iterable[FinishedCell], results: Results) -> list[str]:
    """Make the best student of each pair the `best` of its registered model; returns what is new."""
    cells = {done.cell.id: done for done in finished}
    best = {item.pair: cells[results.best_cell(item)] for item in results.best}
    return register(params.tracking, best)
