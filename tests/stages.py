"""The stages of dvc.yaml in their order, without DVC."""

from __future__ import annotations

from pathlib import Path

from kdpipe.cells import DATASET_DIR, all_cells
from kdpipe.choose_teacher import choose_teacher
from kdpipe.data import prepare
from kdpipe.evaluate_cell import evaluate_cell
from kdpipe.preflight import measured_splits, preflight
from kdpipe.records import unlike_pairs
from kdpipe.report.files import Report, write_report
from kdpipe.report.results import Results, tidy
from kdpipe.tracking import finished_cells, runs_table, sync
from kdpipe.train_cell import train_cell
from kdpipe.validate_cell import validate_cell


def through(path: Path) -> tuple[Results, Report]:
    """From a params.yaml to its report, in the working directory."""
    params = preflight(path)
    manifest = prepare(params.data, DATASET_DIR)
    cells = list(all_cells(params))
    for cell in cells:
        if cell.kind == "distill":
            choose_teacher(params, cell.name)
        train_cell(params, cell)
        validate_cell(params, cell)
        evaluate_cell(params, cell)
    finished = finished_cells(cells)
    store = sync(params.tracking, finished).store
    runs = runs_table(store, [done.record.fingerprint for done in finished])
    resamples = {done.cell.id: done.resamples for done in finished}
    results = tidy(runs, measured_splits(params, manifest), resamples)
    return results, write_report(results, {}, unlike_pairs(done.record for done in finished), [])
