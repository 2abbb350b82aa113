"""Report on every cell that params.yaml names."""

from __future__ import annotations

from dataclasses import dataclass

from kdpipe.cells import DATASET_DIR, all_cells
from kdpipe.config import Params
from kdpipe.data import load_manifest
from kdpipe.errors import KdpipeError
from kdpipe.preflight import measured_splits
from kdpipe.records import unlike_pairs
from kdpipe.report.files import Report, write_report
from kdpipe.report.results import Results, tidy
from kdpipe.tracking import Synced, finished_cells, runs_table, sync


@dataclass(frozen=True)
class Reported:
    """What was brought up to date in MLflow, what its runs say, and what was made of that."""

    synced: Synced
    results: Results
    report: Report


def report_cells(params: Params) -> Reported:
    """Make MLflow equal to the records, then the report from MLflow.

    Raises:
        KdpipeError: if a cell is not trained and evaluated yet, or MLflow cannot be used.
    """
    cells = list(all_cells(params))
    finished = finished_cells(cells)
    missing = [cell.id for cell in cells if cell not in {done.cell for done in finished if done.resamples}]
    if missing:
        raise KdpipeError(f"not trained and evaluated yet: {', '.join(missing)}; run `dvc repro`")
    synced = sync(params.tracking, finished)
    runs = runs_table(synced.store, [done.record.fingerprint for done in finished])
    manifest = load_manifest(DATASET_DIR)
    resamples = {done.cell.id: done.resamples for done in finished}
    results = tidy(runs, measured_splits(params, manifest), resamples)
    unlike = unlike_pairs(done.record for done in finished)
    histories = {done.cell.id: done.history for done in finished if done.history}
    return Reported(synced, results, write_report(results, histories, unlike, manifest.warnings))
