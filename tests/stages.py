"""The stages of dvc.yaml in their order, without DVC."""

from __future__ import annotations

from pathlib import Path

from kdpipe.cells import DATASET_DIR, Cell, all_cells
from kdpipe.choose_teacher import choose_teacher
from kdpipe.config import Params
from kdpipe.data import prepare
from kdpipe.evaluate_cell import evaluate_cell
from kdpipe.make_page import make_page
from kdpipe.preflight import preflight
from kdpipe.records import Metrics
from kdpipe.report_cells import Reported, report_cells
from kdpipe.train_cell import train_cell
from kdpipe.validate_cell import validate_cell


def through(path: Path) -> Reported:
    """From a params.yaml to its report and page, in the working directory."""
    params = preflight(path)
    prepare(params.data, DATASET_DIR)
    for cell in all_cells(params):
        if cell.kind == "distill":
            choose_teacher(params, cell.name)
        measured(params, cell)
    reported = report_cells(params)
    make_page(params)
    return reported


def measured(params: Params, cell: Cell) -> Metrics:
    """Train, validate and evaluate one."""
    train_cell(params, cell)
    validate_cell(params, cell)
    return evaluate_cell(params, cell)
