"""A training that other versions of the packages have begun."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import pytest

from kdpipe.cells.cell import DATASET_DIR, baseline_cell
from kdpipe.cells.history import read_history
from kdpipe.cells.record import load_record
from kdpipe.checks.preflight import preflight
from kdpipe.console import console
from kdpipe.data.prepare import prepare
from kdpipe.environment import training_versions
from kdpipe.params.schema import Params
from kdpipe.paths import state_dir
from kdpipe.stages import train as stage
from kdpipe.tracking import LiveRun
from tests.project import REPOSITORY

pytestmark = pytest.mark.slow
OLDER = {"ultralytics": "8.4.0", "torch": "2.0.0"}
CELL = baseline_cell("yolo26n", 0)


def train(params: Params) -> str:
    with console.capture() as captured:
        stage.train_cell(params, CELL)
    return " ".join(captured.get().split())


def test_it_begins_again_says_so_and_the_record_names_what_trained_it(
    write_params: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    copyfile(REPOSITORY / "tests/yolo26-tiny.yaml", "yolo26-tiny.yaml")
    params = preflight(write_params(train__epochs=10, students__yolo26n__model="yolo26n-tiny.yaml")).params
    prepare(params.data, DATASET_DIR)
    with monkeypatch.context() as patch:
        exact = LiveRun.epoch

        def stop_after_the_fourth(self: LiveRun, epoch: int, *values: object) -> None:
            exact(self, epoch, *values)  # type: ignore[arg-type]
            if epoch == 4:
                raise KeyboardInterrupt

        patch.setattr(stage, "training_versions", lambda: OLDER)
        patch.setattr(LiveRun, "epoch", stop_after_the_fourth)
        with pytest.raises(KeyboardInterrupt):
            stage.train_cell(params, CELL)
    [begun] = (state_dir() / "work").iterdir()
    assert len(read_history(begun / "history.csv")) == 4
    upgraded = time.time()
    said = train(params)
    assert (
        "starts again: its unfinished training was begun with recipe 1 (torch 2.0.0, ultralytics 8.4.0)"
        in said
    )
    assert f"delete {begun} if you do not go back to that" in said
    assert "continuing after epoch" not in said
    record = load_record(CELL.train_dir)
    assert record.identity.versions == training_versions()
    assert record.environment["torch"] == training_versions()["torch"]
    rows = read_history(CELL.train_dir / "history.csv")
    assert [row["epoch"] for row in rows] == list(range(1, 11))
    assert rows[0]["ended"] > upgraded

    monkeypatch.setattr(stage, "training_versions", lambda: OLDER)  # back to them
    assert "continuing after epoch 4 of 10" in train(params)
    rows = read_history(CELL.train_dir / "history.csv")
    assert rows[3]["ended"] < upgraded < rows[4]["ended"]
    assert load_record(CELL.train_dir).identity.versions == OLDER
