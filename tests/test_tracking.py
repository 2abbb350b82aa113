"""Records and their runs in a real MLflow store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.entities import Run
from rich.console import Console

from kdpipe.cells import baseline_cell
from kdpipe.config import Tracking
from kdpipe.records import load_record, save_metrics
from kdpipe.tracking import LiveRun, Store, finished_cells, publish, publish_quietly, sync
from kdpipe.work import lock
from tests.conftest import REPOSITORY
from tests.test_report import finish

CELL = baseline_cell("yolo26n", 0)
QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def _finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finish(CELL, 0.4)


def runs(store: Store) -> list[Run]:
    return list(store.client.search_runs([store.experiment_id]))


def steps(store: Store, run: Run) -> list[int]:
    return [metric.step for metric in store.client.get_metric_history(run.info.run_id, "train/box_loss")]


def test_a_run_is_made_from_the_record_alone(tmp_path: Path) -> None:
    store = Store(Tracking(experiment="test"))
    assert publish(store, finished_cells([CELL])[0])
    (run,) = runs(store)
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (1_700_000_000_000, 1_700_000_010_000)
    assert steps(store, run) == [1, 2]
    assert run.data.metrics["val/e2e/mAP50-95"] == 0.38
    assert run.data.metrics["test/e2e/coco/AP"] == 0.4
    assert run.data.metrics["val/nms/class/0"] == 0.3
    assert run.data.metrics["cost/seconds"] == 10.0
    assert run.data.params["train.optimizer"] == "AdamW"
    assert run.data.params["student"] == "yolo26n"
    assert run.data.tags["cell"] == CELL.id
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 32
    artifacts = {file.path for file in store.client.list_artifacts(run.info.run_id)}
    assert {"record.json", "history.csv", "curves.png"} <= artifacts
    assert (tmp_path / "mlflow.db").exists()
    assert (tmp_path / "mlartifacts/test").is_dir()


def test_publishing_again_does_nothing() -> None:
    store = Store(Tracking(experiment="test"))
    assert publish(store, finished_cells([CELL])[0])
    assert not publish(store, finished_cells([CELL])[0])
    assert len(runs(store)) == 1


def test_a_new_validation_reaches_the_same_run() -> None:
    store = Store(Tracking(experiment="test"))
    publish(store, finished_cells([CELL])[0])
    first = runs(store)[0].info.run_id
    save_metrics(CELL.val_dir, {"val": {"e2e": {"mAP50-95": 0.45}}})
    assert publish(store, finished_cells([CELL])[0])
    (run,) = runs(store)
    assert run.info.run_id == first
    assert run.data.metrics["val/e2e/mAP50-95"] == 0.45
    assert steps(store, run) == [1, 2]


def test_a_live_run_becomes_the_finished_one() -> None:
    record = load_record(CELL.train_dir)
    with LiveRun(
        Tracking(experiment="test"), record.identity, record.environment, record.started, QUIET
    ) as live:
        live.epoch(1, {"train/box_loss": 2.5})
        store = Store(Tracking(experiment="test"))
        deadline = time.monotonic() + 30
        while not any(run.data.metrics for run in runs(store)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (run,) = runs(store)
        assert run.info.status == "RUNNING"
        assert run.data.metrics == {"train/box_loss": 2.5}
        live.epoch(2, {"train/box_loss": 2.0})
    publish(store, finished_cells([CELL])[0])
    (finished,) = runs(store)
    assert finished.info.run_id == run.info.run_id
    assert finished.info.status == "FINISHED"
    assert steps(store, finished) == [1, 2]


def test_an_interrupted_run_is_marked_and_continued() -> None:
    record = load_record(CELL.train_dir)
    with (
        pytest.raises(KeyboardInterrupt),
        LiveRun(
            Tracking(experiment="test"), record.identity, record.environment, record.started, QUIET
        ) as live,
    ):
        live.epoch(1, {"train/box_loss": 2.5})
        raise KeyboardInterrupt
    store = Store(Tracking(experiment="test"))
    assert runs(store)[0].info.status == "KILLED"
    with LiveRun(
        Tracking(experiment="test"), record.identity, record.environment, record.started, QUIET
    ) as live:
        live.epoch(2, {"train/box_loss": 2.0})
    publish(store, finished_cells([CELL])[0])
    (run,) = runs(store)
    assert steps(store, run) == [1, 2]


def test_a_half_logged_run_is_made_whole() -> None:
    record = load_record(CELL.train_dir)
    with LiveRun(
        Tracking(experiment="test"), record.identity, record.environment, record.started, QUIET
    ) as live:
        live.epoch(2, {"train/box_loss": 2.0})
    store = Store(Tracking(experiment="test"))
    publish(store, finished_cells([CELL])[0])
    (run,) = runs(store)
    assert steps(store, run) == [1, 2]


def test_a_deleted_database_is_rebuilt(tmp_path: Path) -> None:
    script = (
        "from kdpipe.tracking import publish_quietly; from tests.test_tracking import *;"
        "publish_quietly(Tracking(experiment='test'), CELL, QUIET)"
    )
    # In a process of its own: MLflow keeps a database open until its process ends.
    subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=True
    )
    (tmp_path / "mlflow.db").unlink()
    shutil.rmtree(tmp_path / "mlartifacts")
    store = Store(Tracking(experiment="test"))
    assert publish(store, finished_cells([CELL])[0])
    assert len(runs(store)) == 1


def test_a_store_that_is_away_costs_a_warning_only(capsys: pytest.CaptureFixture[str]) -> None:
    away = Tracking(uri="http://127.0.0.1:9", experiment="test")
    record = load_record(CELL.train_dir)
    console = Console(soft_wrap=True)
    with LiveRun(away, record.identity, record.environment, record.started, console) as live:
        live.epoch(1, {"train/box_loss": 2.5})
        live.epoch(2, {"train/box_loss": 2.0})
    publish_quietly(away, CELL, console)
    assert capsys.readouterr().out.count("MLflow is away") == 2  # one of the training, one of its end


def test_the_store_is_that_of_the_repository_not_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queued experiments of DVC run in a temporary copy that is deleted afterwards."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert Store(Tracking()).uri == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert Store(Tracking()).uri == f"sqlite:///{tmp_path}/other.db"


def test_two_runs_of_one_training_become_one() -> None:
    """Two machines that begin the same cell know nothing of each other."""
    store, record = Store(Tracking(experiment="test")), load_record(CELL.train_dir)
    for _ in range(2):
        store.client.create_run(store.experiment_id, tags={"fingerprint": record.fingerprint})
    assert sync(Tracking(experiment="test"), finished_cells([CELL])).published == [CELL.id]
    assert [run.info.status for run in runs(store)] == ["FINISHED"]


def test_a_dry_run_changes_nothing() -> None:
    tracking = Tracking(experiment="test")
    assert sync(tracking, finished_cells([CELL]), dry_run=True).published == [CELL.id]
    assert runs(Store(tracking)) == []
    sync(tracking, finished_cells([CELL]))
    assert sync(tracking, finished_cells([CELL]), dry_run=True).published == []


def test_a_run_whose_process_is_gone_is_marked_as_killed() -> None:
    tracking, record = Tracking(experiment="test"), load_record(CELL.train_dir)
    store = Store(tracking)
    live = LiveRun(tracking, record.identity, record.environment, record.started, QUIET)
    with lock(record.fingerprint):
        live.__enter__()
        deadline = time.monotonic() + 30
        while not store.running_here():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert sync(tracking, []).killed == []
    assert sync(tracking, [], dry_run=True).killed == [CELL.id]
    assert runs(store)[0].info.status == "RUNNING"
    assert sync(tracking, []).killed == [CELL.id]
    assert runs(store)[0].info.status == "KILLED"
