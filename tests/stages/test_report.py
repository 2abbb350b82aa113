from __future__ import annotations

from dataclasses import replace
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
    cells = [baseline_cell(f"student{number}", 0) for number in range(MOST_CURVES + finished_before + 1)]
    cells += [distill_cell("n-s", 1.0, 0)]
    for cell in cells[finished_before:]:
        (tmp_path / cell.train_dir).mkdir(parents=True)
        write_rows(tmp_path / cell.train_dir / HISTORY_FILE, HISTORY)
    shown = [done.cell for done in drawn(FinishedCell(cell, tmp_path) for cell in cells)]
    assert shown == [*cells[finished_before : finished_before + MOST_CURVES], cells[-1]]


def test_an_arm_is_shown_with_all_its_seeds_but_new_ones(tmp_path: Path) -> None:
    """A mean of some seeds beside means of all would be no comparison."""
    cells = [distill_cell("n-s", dis, seed) for dis in range(1, MOST_CURVES + 2) for seed in range(9)]
    new = replace(distill_cell("n-s", 1, 100), confirms=True)
    for cell in (*cells, new):
        (tmp_path / cell.train_dir).mkdir(parents=True)
        write_rows(tmp_path / cell.train_dir / HISTORY_FILE, HISTORY)
    shown = [done.cell for done in drawn(FinishedCell(cell, tmp_path) for cell in (new, *cells))]
    assert shown == cells[: 9 * MOST_CURVES]
