"""Records and their runs in a real MLflow store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from rich.console import Console

from kdpipe.cells.cell import baseline_cell
from kdpipe.cells.history import read_rows
from kdpipe.cells.record import load_metrics, load_record, save_metrics
from kdpipe.cells.work import lock
from kdpipe.params.schema import Tracking
from kdpipe.tracking import Deadline, LiveRun, RunStart, Store, finished_cells, publish_quietly, sync
from kdpipe.tracking.store import PLACE
from tests.processes import wait_for
from tests.project import REPOSITORY
from tests.reported import HISTORY, SYSTEM, finish

CELL = baseline_cell("yolo26n", 0)
QUIET = Console(quiet=True)
TRACKING = Tracking(experiment="test")


@pytest.fixture(autouse=True)
def _finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finish(CELL, 0.4)


def runs(store: Store) -> list[Run]:
    """The runs of cells, without their parents."""
    return list(store.client.search_runs([store.experiment_id], "tags.stage != 'pipeline'"))


def live(tracking: Tracking = TRACKING, console: Console = QUIET) -> LiveRun:
    record = load_record(CELL.train_dir)
    begun = RunStart(record.identity, record.environment, record.started, Path.cwd())
    return LiveRun(tracking, begun, console, Deadline(60.0))  # a new database takes its time


def synced() -> list[str]:
    return sync(TRACKING, finished_cells([CELL])).published


def parents(store: Store) -> list[Run]:
    return list(store.client.search_runs([store.experiment_id], "tags.stage = 'pipeline'"))


def steps(store: Store, run: Run) -> list[int]:
    return [metric.step for metric in store.client.get_metric_history(run.info.run_id, "train/box_loss")]


def test_a_run_is_made_from_the_record_alone(tmp_path: Path) -> None:
    store = Store(TRACKING)
    assert synced() == [CELL.id]
    (run,) = runs(store)
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (1_700_000_000_000, 1_700_000_010_000)
    assert steps(store, run) == [1, 2]
    assert run.data.metrics["val/e2e/mAP50-95"] == 0.38
    assert run.data.metrics["test/e2e/coco/AP"] == 0.4
    assert not [name for name in run.data.metrics if "class/" in name]
    assert run.data.metrics["cost/seconds"] == 10.0
    assert run.data.params["train.optimizer"] == "AdamW"
    assert run.data.params["student"] == "yolo26n"
    assert run.data.tags["cell"] == CELL.id
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 32
    artifacts = {file.path for file in store.client.list_artifacts(run.info.run_id)}
    assert artifacts == {"record.json", "history.csv", "system.csv", "params.yaml", "metrics.json"}
    assert run.data.tags["weights"] == f"{CELL.train_dir}/best.pt"
    assert (tmp_path / "mlflow.db").exists()
    assert (tmp_path / "mlartifacts/test").is_dir()


def test_the_times_of_a_run_are_those_of_its_training() -> None:
    store = Store(TRACKING)
    synced()
    (run,) = runs(store)
    for name, rows in (("train/box_loss", HISTORY), ("system/cpu_utilization_percentage", SYSTEM)):
        logged = store.client.get_metric_history(run.info.run_id, name)
        assert [metric.timestamp for metric in logged] == [1000 * row["ended"] for row in rows]


def test_runs_stand_under_the_state_of_the_pipeline_that_trained_them() -> None:
    other, later = baseline_cell("yolo26n", 1), baseline_cell("yolo26n", 2)
    finish(other, 0.4)
    finish(later, 0.4)
    (later.train_dir / "params.yaml").write_text("sweep: {dis: [2.0], seeds: [2]}\n")
    store = Store(TRACKING)
    sync(TRACKING, finished_cells([CELL, other, later]))
    first, second = sorted(parents(store), key=lambda run: run.data.params["sweep.seeds"])
    assert first.data.params["sweep.dis"] == "1.0, 6"
    assert first.info.run_name == "abc · dis 1.0, 6 · seeds 0, 1, 2"
    assert (first.info.start_time, first.info.end_time) == (1_700_000_000_000, 1_700_000_010_000)
    children = {run.data.tags["cell"]: run.data.tags["mlflow.parentRunId"] for run in runs(store)}
    assert children == {
        CELL.id: first.info.run_id,
        other.id: first.info.run_id,
        later.id: second.info.run_id,
    }


def test_a_parent_that_was_deleted_is_made_anew() -> None:
    store = Store(TRACKING)
    synced()
    store.client.delete_run(parents(store)[0].info.run_id)
    assert synced() == [CELL.id]
    assert [run.data.tags["mlflow.parentRunId"] for run in runs(store)] == [parents(store)[0].info.run_id]


def test_publishing_again_does_nothing() -> None:
    store = Store(TRACKING)
    assert synced() == [CELL.id]
    assert synced() == []
    assert len(runs(store)) == 1


def test_a_new_validation_reaches_the_same_run() -> None:
    store = Store(TRACKING)
    synced()
    first = runs(store)[0].info.run_id
    for value in (0.45, 0.31):
        metrics = load_metrics(CELL.val_dir)
        metrics["val"]["e2e"]["mAP50-95"] = value
        save_metrics(CELL.val_dir, metrics)
        assert synced() == [CELL.id]
        (run,) = runs(store)
        assert run.info.run_id == first
        assert run.data.metrics["val/e2e/mAP50-95"] == value
        assert steps(store, run) == [1, 2]


def test_what_is_no_longer_validated_is_not_shown() -> None:
    store = Store(TRACKING)
    synced()
    for folder in (CELL.val_dir, CELL.eval_dir):
        save_metrics(folder, {"test": load_metrics(folder)["test"]})
    assert synced() == [CELL.id]
    (run,) = runs(store)
    assert not [name for name in run.data.metrics if name.startswith("val/e2e")]
    assert run.data.metrics["test/e2e/coco/AP"] == 0.4


def test_a_live_run_becomes_the_finished_one() -> None:
    with live() as training:
        training.epoch(1, {"train/box_loss": 2.5}, time.time())
        store = Store(TRACKING)
        deadline = time.monotonic() + 30
        while not any("train/box_loss" in run.data.metrics for run in runs(store)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (run,) = runs(store)
        assert run.info.status == "RUNNING"
        measured = {name: value for name, value in run.data.metrics.items() if not name.startswith("system/")}
        assert measured == {"train/box_loss": 2.5}
        training.epoch(2, {"train/box_loss": 2.0}, time.time())
    synced()
    (finished,) = runs(store)
    assert finished.info.run_id == run.info.run_id
    assert finished.info.status == "FINISHED"
    assert steps(store, finished) == [1, 2]


def test_an_interrupted_run_is_marked_and_continued() -> None:
    with pytest.raises(KeyboardInterrupt), live() as training:
        training.epoch(1, {"train/box_loss": 2.5}, time.time())
        raise KeyboardInterrupt
    store = Store(TRACKING)
    assert runs(store)[0].info.status == "KILLED"
    with live() as training:
        training.epoch(2, {"train/box_loss": 2.0}, time.time())
    synced()
    (run,) = runs(store)
    assert steps(store, run) == [1, 2]


def test_a_half_logged_run_is_made_whole() -> None:
    with live() as training:
        training.epoch(2, {"train/box_loss": 2.0}, time.time())
    store = Store(TRACKING)
    synced()
    (run,) = runs(store)
    assert steps(store, run) == [1, 2]


def test_the_machine_is_watched_and_an_interruption_loses_no_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    for _ in range(2):
        before = len(read_rows(tmp_path / "system.csv"))
        with live():
            wait_for(lambda seen=before: len(read_rows(tmp_path / "system.csv")) >= seen + 2)
    rows = read_rows(tmp_path / "system.csv")
    assert all(row["system/system_memory_usage_megabytes"] > 0 for row in rows)
    store = Store(TRACKING)
    logged = store.client.get_metric_history(
        runs(store)[0].info.run_id, "system/system_memory_usage_megabytes"
    )
    assert [metric.step for metric in logged] == list(range(1, len(rows) + 1))


def test_a_deleted_database_is_rebuilt(tmp_path: Path) -> None:
    script = (
        "from kdpipe.tracking import publish_quietly; from tests.tracking.test_sync import *;"
        "publish_quietly(TRACKING, CELL, QUIET, Deadline(60))"
    )
    # In a process of its own: MLflow keeps a database open until its process ends.
    subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=True
    )
    (tmp_path / "mlflow.db").unlink()
    shutil.rmtree(tmp_path / "mlartifacts")
    store = Store(TRACKING)
    assert synced() == [CELL.id]
    (run,) = runs(store)
    for rows, step in ((HISTORY, "epoch"), (SYSTEM, None)):
        for name in (name for name in rows[0] if "/" in name):
            logged = store.client.get_metric_history(run.info.run_id, name)
            expected = [
                (row[step] if step else number, row[name]) for number, row in enumerate(rows, start=1)
            ]
            assert sorted((metric.step, metric.value) for metric in logged) == expected


def test_an_experiment_that_another_machine_makes_just_then_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = MlflowClient.get_experiment_by_name

    def a_moment_too_early(client: MlflowClient, name: str) -> Experiment | None:
        found = ask(client, name)
        if found is None:
            client.create_experiment(name)
        return found

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", a_moment_too_early)
    store = Store(TRACKING)
    assert store.experiment_id == ask(store.client, TRACKING.experiment).experiment_id


def test_a_store_that_is_away_costs_a_warning_only(capsys: pytest.CaptureFixture[str]) -> None:
    away = Tracking(uri="http://127.0.0.1:9", experiment="test")
    console = Console(soft_wrap=True)
    with live(away, console) as training:
        training.epoch(1, {"train/box_loss": 2.5}, time.time())
        training.epoch(2, {"train/box_loss": 2.0}, time.time())
    publish_quietly(away, CELL, console, Deadline(60))
    said = capsys.readouterr().out
    assert said.count("MLflow at http://127.0.0.1:9 is not available") == 2  # during training, at its end


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
    store, record = Store(TRACKING), load_record(CELL.train_dir)
    for _ in range(2):
        store.client.create_run(store.experiment_id, tags={"fingerprint": record.fingerprint})
    assert sync(TRACKING, finished_cells([CELL])).published == [CELL.id]
    assert [run.info.status for run in runs(store)] == ["FINISHED"]
    store.client.create_run(store.experiment_id, tags={"fingerprint": record.fingerprint})
    assert sync(TRACKING, finished_cells([CELL])).published == [CELL.id]
    assert [run.info.status for run in runs(store)] == ["FINISHED"]


def test_another_machine_keeps_its_run() -> None:
    """On a shared server, a training that begins here leaves it alone, whether it ends or is killed."""
    synced()
    (theirs,) = runs(Store(TRACKING))
    Store(TRACKING).client.set_tag(theirs.info.run_id, PLACE, "elsewhere:/study")
    with live():
        pass
    publish_quietly(TRACKING, CELL, QUIET, Deadline(60.0))
    found = {run.info.run_id: run.info.status for run in runs(Store(TRACKING))}
    assert found.pop(theirs.info.run_id) == "FINISHED"
    assert list(found.values()) == ["FINISHED"]
    assert len(synced()) <= 1
    assert len(runs(Store(TRACKING))) == 1


def test_a_dry_run_changes_nothing() -> None:
    tracking = TRACKING
    assert sync(tracking, finished_cells([CELL]), dry_run=True).published == [CELL.id]
    assert runs(Store(tracking)) == []
    sync(tracking, finished_cells([CELL]))
    assert sync(tracking, finished_cells([CELL]), dry_run=True).published == []


def test_a_run_whose_process_is_gone_is_marked_as_killed() -> None:
    tracking, record = TRACKING, load_record(CELL.train_dir)
    store = Store(tracking)
    training = live()
    with lock(record.fingerprint):
        training.__enter__()
        deadline = time.monotonic() + 30
        while not store.running_here():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert sync(tracking, []).killed == []
    assert sync(tracking, [], dry_run=True).killed == [CELL.id]
    assert runs(store)[0].info.status == "RUNNING"
    assert sync(tracking, []).killed == [CELL.id]
    assert runs(store)[0].info.status == "KILLED"
