"""How far the trainings are, from their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import made_up
from kdpipe.cells.cell import all_cells
from kdpipe.cells.history import HISTORY_FILE, write_rows
from kdpipe.cells.record import load_record, save_identity
from kdpipe.cells.work import lock, work_dir
from kdpipe.checks.progress import DONE, INTERRUPTED, RUNNING, WAITING, progress
from kdpipe.commands.status import tell_of
from kdpipe.params.schema import Params

EPOCHS = 2  # of 5 seconds each


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """One pair: a teacher, four baselines, and four distilled students at each of three `dis`, all done."""
    monkeypatch.chdir(tmp_path)
    params = made_up.params(1)
    params.train["epochs"] = EPOCHS
    made_up.finish(all_cells(params), params, EPOCHS)
    for cell in all_cells(params):
        record = load_record(cell.train_dir)
        identity = replace(record.identity, arguments=dict(params.train))
        replace(record, identity=identity).save(cell.train_dir)
    return params


def begin(params: Params, index: int, rows: int) -> str:
    """Make a training one that has begun, after so many epochs; returns its fingerprint."""
    cell = list(all_cells(params))[index]
    identity = load_record(cell.train_dir).identity
    work = work_dir(identity.fingerprint)
    work.mkdir(parents=True)
    save_identity(identity, work)
    write_rows(work / HISTORY_FILE, [{"epoch": row + 1, "seconds": 7.0 * (row + 1)} for row in range(rows)])
    return identity.fingerprint


def test_everything_is_done(params: Params) -> None:
    now = progress(params)
    assert {training.state for training in now.trainings} == {DONE}
    assert (str(now), now.seconds_left) == ("17 of 17 trainings done", 0.0)


def test_each_state_counts_with_the_time_of_its_kind(params: Params) -> None:
    begin(params, 1, rows=0)
    running = begin(params, 2, rows=1)
    params.students["s0"].train["epochs"] = 4  # so that all others are to be done again
    with lock(running):
        now = progress(params)
        assert [now.count(state) for state in (DONE, RUNNING, INTERRUPTED, WAITING)] == [1, 1, 1, 14]
        waiting = next(training for training in now.trainings if training.state == WAITING)
        assert now.left(waiting) == 14.0  # as the one that runs
        assert now.left(now.trainings[2]) == 7.0
        assert now.seconds_left is None, "of distilled students nothing is known"


def test_several_at_once_are_done_sooner(params: Params) -> None:
    first, second = begin(params, 1, rows=1), begin(params, 2, rows=1)
    with lock(first), lock(second):
        assert progress(params).seconds_left == 7.0
        assert "15 of 17 trainings done, 2 running; less than a minute of training left" in str(
            progress(params)
        )


def test_gains_of_other_arguments_are_not_shown(params: Params) -> None:
    console = Console(record=True, width=200)
    tell_of(params, console)
    assert "p0, dis 1.0, e2e head, test: " in console.export_text()
    params.students["s0"].train["epochs"] = 4
    tell_of(params, console)
    assert "points" not in console.export_text()
