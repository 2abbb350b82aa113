from __future__ import annotations

from pathlib import Path

from kdpipe.cells.cell import baseline_cell, distill_cell
from kdpipe.cells.history import HISTORY_FILE, write_rows
from kdpipe.report.figure_data import MOST_CURVES
from kdpipe.stages.report import drawn
from kdpipe.tracking import FinishedCell
from tests.reported import HISTORY


def test_curves_are_of_trainings_that_have_some(tmp_path: Path) -> None:
    """Students that are used as they are come first here, and leave no room otherwise."""
    finished_before = 3
    cells = [baseline_cell("yolo26n", seed) for seed in range(MOST_CURVES + finished_before + 1)]
    cells += [distill_cell("n-s", 1.0, 0)]
    for cell in cells[finished_before:]:
        (tmp_path / cell.train_dir).mkdir(parents=True)
        write_rows(tmp_path / cell.train_dir / HISTORY_FILE, HISTORY)
    shown = [done.cell for done in drawn(FinishedCell(cell, tmp_path) for cell in cells)]
    assert shown == [*cells[finished_before : finished_before + MOST_CURVES], cells[-1]]
