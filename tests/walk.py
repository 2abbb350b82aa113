"""The stages of dvc.yaml in their order, without DVC."""

from __future__ import annotations

from pathlib import Path

from kdpipe.cells.cell import DATASET_DIR, Cell, all_cells
from kdpipe.cells.record import Metrics
from kdpipe.checks.preflight import preflight
from kdpipe.data.prepare import prepare
from kdpipe.params.schema import Params
from kdpipe.stages.evaluate import evaluate_cell
from kdpipe.stages.page import make_page
from kdpipe.stages.pick_teacher import choose_teacher
from kdpipe.stages.report import ReportResult, report_cells
from kdpipe.stages.start import make_start
from kdpipe.stages.train import train_cell
from kdpipe.stages.validate import validate_cell


def through(path: Path) -> ReportResult:
    """From a params.yaml to its report and page, in the working directory."""
    checked = preflight(path)
    params = checked.params
    prepare(params.data, DATASET_DIR)
    for cell in all_cells(params):
        if cell.kind == "baseline":
            make_start(params, cell.name)
        if cell.kind == "distill":
            choose_teacher(params, cell.name)
        measured(params, cell)
    reported = report_cells(params, checked.warnings)
    make_page(params)
    return reported


def measured(params: Params, cell: Cell) -> Metrics:
    """Train, validate and evaluate one."""
    train_cell(params, cell)
    validate_cell(params, cell)
    return evaluate_cell(params, cell)
