"""Stores that hang, are broken, old or deleted; clocks that are wrong; and what is said of each."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Run
from rich.console import Console

from kdpipe.cells.cell import baseline_cell
from kdpipe.cells.record import load_metrics, load_record, save_metrics
from kdpipe.commands.store import store_problem, store_warnings
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Tracking
from kdpipe.tracking import (
    Deadline,
    LiveRun,
    RunStart,
    Store,
    finished_cells,
    publish_quietly,
    register,
    sync,
)
from tests.processes import forkserver, wait_for
from tests.project import REPOSITORY
from tests.reported import finish

CELL = baseline_cell("yolo26n", 0)
TRACKING = Tracking(experiment="test")
LATE = 8.0  # seconds that a busy machine may add; a request alone waits 10


@pytest.fixture(autouse=True)
def _finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finish(CELL, 0.4)


@pytest.fixture
def hanging() -> Iterator[Tracking]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield Tracking(uri=uri, experiment="test", deadline=2.0)


def begun() -> RunStart:
    record = load_record(CELL.train_dir)
    return RunStart(record.identity, record.environment, record.started, Path.cwd())


def trained(tracking: Tracking, epochs: int = 2) -> float:
    """Log a training, and publish it; return the seconds that its end took."""
    console, deadline = Console(soft_wrap=True), Deadline(tracking.deadline)
    with LiveRun(tracking, begun(), console, deadline) as live:
        for epoch in range(1, epochs + 1):
            live.epoch(epoch, {"train/box_loss": 1.0 / epoch}, time.time())
        ended = time.monotonic()
    publish_quietly(tracking, CELL, console, deadline)
    return time.monotonic() - ended


def the_run(tracking: Tracking = TRACKING) -> Run:
    store = Store(tracking)
    (run,) = store.client.search_runs([store.experiment_id], "tags.stage != 'pipeline'")
    return run


@pytest.mark.nightly
@pytest.mark.parametrize("epochs", [2, 30])
def test_a_training_waits_for_a_hanging_server_until_its_deadline(
    hanging: Tracking, capsys: pytest.CaptureFixture[str], epochs: int
) -> None:
    assert trained(hanging, epochs) < hanging.deadline + LATE
    assert "no answer within 2 s, the tracking.deadline" in capsys.readouterr().out
    assert sync(TRACKING, finished_cells([CELL])).published == [CELL.id]


@pytest.mark.nightly
def test_its_process_ends_in_time_too(hanging: Tracking) -> None:
    script = (
        "import time; from tests.tracking.test_trouble import *;"
        f"trained({hanging!r}, 8); print('end', time.time())"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert time.time() - float(answer.stdout.split()[-1]) < LATE


@pytest.mark.nightly
def test_the_deadline_covers_a_server_that_hangs_at_the_artifacts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tracking = replace(TRACKING, deadline=20.0)
    Store(tracking)
    monkeypatch.setattr("mlflow.MlflowClient.log_artifacts", lambda *_: time.sleep(60))
    assert trained(tracking) < tracking.deadline + LATE
    assert "no answer within 20 s" in capsys.readouterr().out


def spoil(kind: str) -> None:
    path = Path("mlflow.db")
    if kind == "text":
        path.write_text("these are words, and more than a hundred bytes of them " * 20)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a folder that is a file":
        Path("place").write_text("")
    elif kind == "a link to nowhere that can be":
        path.symlink_to("/proc/none/mlflow.db")


BROKEN = {
    "text": "file is not a database",
    "a folder": "unable to open database file",
    "a folder that is a file": "is no folder",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_database_that_cannot_be_opened(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    spoil(kind)
    tracking = Tracking(uri="sqlite:///place/mlflow.db") if "file" in kind else TRACKING
    assert trained(tracking) < LATE
    said = capfd.readouterr()
    assert said.out.count(BROKEN[kind]) == 2  # while it trains, and at the end
    assert said.err == ""
    for look in (store_warnings, lambda some: sync(some, finished_cells([CELL]))):
        with pytest.raises(KdpipeError, match=BROKEN[kind]):
            look(tracking)


def test_a_new_database_is_made_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    Store(TRACKING)
    assert Path("mlflow.db").is_file()
    assert capsys.readouterr() == ("", "")


def older(path: Path, revision: str) -> None:
    """Make a database as an older MLflow made it, with MLflow's own migrations."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine

    uri = f"sqlite:///{path.resolve()}"
    engine = create_engine(uri)
    Base.metadata.create_all(engine)
    config = _get_alembic_config(uri)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


@pytest.mark.parametrize(
    "revision", ["0584bdc529eb", pytest.param("90e64c465722", marks=pytest.mark.nightly)]
)
def test_a_database_of_an_older_mlflow_is_left_as_it_is(revision: str) -> None:
    older(Path("mlflow.db"), revision)
    before = Path("mlflow.db").read_bytes()
    for look in (store_warnings, lambda some: sync(some, finished_cells([CELL]))):
        with pytest.raises(KdpipeError, match=f"another version of MLflow .schema {revision}") as caught:
            look(TRACKING)
        assert f"mlflow db upgrade sqlite:///{Path.cwd()}/mlflow.db" in str(caught.value)
    assert Path("mlflow.db").read_bytes() == before
    subprocess.run(
        [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{Path.cwd()}/mlflow.db"],
        check=True,
        capture_output=True,
    )
    assert store_warnings(TRACKING) == []
    assert sync(TRACKING, finished_cells([CELL])).published == [CELL.id]


def test_a_database_of_a_newer_mlflow_is_left_as_it_is() -> None:
    Store(TRACKING)
    with sqlite3.connect("mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(KdpipeError, match=r"another version of MLflow .schema ffffffffffff"):
        store_warnings(TRACKING)


def test_an_experiment_that_was_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(TRACKING)
    store.client.delete_experiment(store.experiment_id)
    message = "the experiment 'test' is deleted in MLflow at sqlite:///"
    for look in (store_warnings, lambda some: sync(some, finished_cells([CELL]))):
        with pytest.raises(KdpipeError, match=message) as caught:
            look(TRACKING)
        assert f"mlflow experiments restore --experiment-id {store.experiment_id}" in str(caught.value)
    trained(TRACKING)
    assert capsys.readouterr().out.count(message) == 2
    store.client.restore_experiment(store.experiment_id)
    assert store_warnings(TRACKING) == []


def test_a_server_that_is_away_is_a_warning_of_check(hanging: Tracking) -> None:
    away = Tracking(uri="http://user:secret@127.0.0.1:9", experiment="test")
    (warning,) = store_warnings(away)
    assert warning.startswith("MLflow at http://user@127.0.0.1:9 is not available: ")
    assert warning.endswith("; trainings run without it, but the report stage fails")
    assert store_problem(away) == warning
    (warning,) = store_warnings(hanging)
    assert "no answer within 2 s, the tracking.deadline" in warning


def test_an_error_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nothing")

    Store(TRACKING)
    monkeypatch.setattr("mlflow.MlflowClient.log_batch", fails)
    trained(TRACKING)
    said = capsys.readouterr().out
    assert said.count("mlflow.db: ZeroDivisionError: by nothing") == 2
    assert "not available" not in said


@pytest.mark.parametrize("content", ["", '{"identity": {"cell": "b', "{}", "[1]", "\xff"])
def test_a_record_that_is_cut_is_not_blamed_on_mlflow(
    content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (CELL.train_dir / "record.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(KdpipeError) as caught:
        sync(TRACKING, finished_cells([CELL]))
    kind = "is cut short or damaged" if content else "is empty"
    assert str(caught.value).startswith(f"{CELL.train_dir}/record.json {kind}")
    assert "`dvc repro` restores it from DVC's cache, or makes it again" in str(caught.value)
    publish_quietly(TRACKING, CELL, Console(soft_wrap=True), Deadline(60))
    said = capsys.readouterr().out
    assert kind in said
    assert "MLflow" not in said


def test_metrics_that_are_cut_are_not_blamed_on_mlflow() -> None:
    path = CELL.eval_dir / "metrics.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(KdpipeError, match=f"^{path} is cut short or damaged"):
        sync(TRACKING, finished_cells([CELL]))


def validated_again(value: float) -> None:
    metrics = load_metrics(CELL.val_dir)
    metrics["val"]["e2e"]["mAP50-95"] = value
    save_metrics(CELL.val_dir, metrics)


def clock_of_the_record(shift: float) -> None:
    record = load_record(CELL.train_dir)
    now = time.time() + shift
    replace(record, started=now - 10, finished=now).save(CELL.train_dir)


@pytest.mark.parametrize("shift", [10 * 86400.0, -10 * 86400.0])
def test_a_clock_that_is_wrong_hides_no_validation(shift: float) -> None:
    clock_of_the_record(shift)
    sync(TRACKING, finished_cells([CELL]))
    first = the_run().info.run_id
    for value in (0.45, 0.31, 0.9, 0.1):
        validated_again(value)
        clock_of_the_record(shift / 2)  # validated on another machine
        assert sync(TRACKING, finished_cells([CELL])).published == [CELL.id]
        assert the_run().data.metrics["val/e2e/mAP50-95"] == value
        assert sync(TRACKING, finished_cells([CELL])).published == []
    assert the_run().info.run_id == first


def test_a_run_that_shows_another_value_is_found_by_its_content() -> None:
    sync(TRACKING, finished_cells([CELL]))
    store, run = Store(TRACKING), the_run()
    record = load_record(CELL.train_dir)
    future = int(1000 * (time.time() + 86400))  # as an older kdpipe logged, with a clock that was ahead
    store.client.log_metric(run.info.run_id, "val/e2e/mAP50-95", 0.99, future, record.epochs)
    store.client.delete_tag(run.info.run_id, "record_writes")
    assert the_run().data.metrics["val/e2e/mAP50-95"] == 0.99
    assert sync(TRACKING, finished_cells([CELL])).published == [CELL.id]
    assert the_run().data.metrics["val/e2e/mAP50-95"] == 0.38
    assert sync(TRACKING, finished_cells([CELL])).published == []


def test_values_that_are_no_numbers_are_not_written_again_and_again() -> None:
    for value in (float("nan"), float("inf"), float("-inf")):
        validated_again(value)
        assert sync(TRACKING, finished_cells([CELL])).published == [CELL.id]
        assert sync(TRACKING, finished_cells([CELL])).published == []


@pytest.mark.parametrize("registry", ["databricks-uc", "sqlite:///elsewhere.db", "http://127.0.0.1:9"])
def test_models_are_registered_where_the_runs_are(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry)
    assert store_warnings(TRACKING) == [
        "MLFLOW_REGISTRY_URI is set, but not used: models are registered where their runs are logged"
    ]
    (CELL.train_dir / "best.pt").write_bytes(b"weights")
    (finished,) = finished_cells([CELL])
    sync(TRACKING, [finished])
    assert register(TRACKING, {"n-s": finished}) == ["test-n-s 1"]
    monkeypatch.delenv("MLFLOW_REGISTRY_URI")
    assert (
        Store(TRACKING).client.get_model_version_by_alias("test-n-s", "best").run_id == the_run().info.run_id
    )
    assert not Path("elsewhere.db").exists()


def test_a_student_whose_run_was_made_again_is_registered_again() -> None:
    """The files of its version went with the run."""
    (CELL.train_dir / "best.pt").write_bytes(b"weights")
    (finished,) = finished_cells([CELL])
    sync(TRACKING, [finished])
    assert register(TRACKING, {"n-s": finished}) == ["test-n-s 1"]
    Store(TRACKING).client.delete_run(the_run().info.run_id)
    (finished,) = finished_cells([CELL])
    sync(TRACKING, [finished])
    assert register(TRACKING, {"n-s": finished}) == ["test-n-s 2"]
    best = Store(TRACKING).client.get_model_version_by_alias("test-n-s", "best")
    assert best.run_id == the_run().info.run_id
    assert register(TRACKING, {"n-s": finished}) == []


@pytest.mark.parametrize("name", ["team/yolo 26", "größe", "a.b_c-d, (e) + f:1", "日本"])
def test_an_experiment_of_any_allowed_name(name: str) -> None:
    tracking = Tracking(experiment=name)
    (CELL.train_dir / "best.pt").write_bytes(b"weights")
    (finished,) = finished_cells([CELL])
    sync(tracking, [finished])
    assert len(register(tracking, {"n-s": finished})) == 1
    assert register(tracking, {"n-s": finished}) == []
    assert Path("mlartifacts", name).is_dir()
    assert len(list(Path("mlartifacts").rglob("record.json"))) == 1


@pytest.mark.parametrize("name", ["it's", 'the "best" one', "50% off", "a#b", "a;b", "größe"])
def test_a_project_folder_of_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    finish(CELL, 0.4)
    (CELL.train_dir / "best.pt").write_bytes(b"weights")
    record = load_record(CELL.train_dir)
    identity = replace(record.identity, data=str(folder / "data.yaml"))
    replace(record, identity=identity, fingerprint=identity.fingerprint).save(CELL.train_dir)
    trained(replace(TRACKING, deadline=60))
    (finished,) = finished_cells([CELL])
    sync(TRACKING, [finished])
    assert register(TRACKING, {"n-s": finished}) == ["test-n-s 1"]
    run = the_run()
    artifacts = {file.path for file in Store(TRACKING).client.list_artifacts(run.info.run_id)}
    assert {"record.json", "model"} <= artifacts
    source = json.loads(run.inputs.dataset_inputs[0].dataset.source)
    assert source == {"uri": str(folder / "data.yaml")}
    assert Path("mlflow.db").is_file()
    assert Path("mlartifacts/test").is_dir()
    assert {path.name for path in tmp_path.iterdir()} <= {name, "runs", "params.yaml"}


def test_mlflow_says_nothing_of_its_own(tmp_path: Path) -> None:
    """A new database, in a process of its own as in a training."""
    script = "from tests.tracking.test_trouble import *;trained(Tracking(experiment='test', deadline=60))"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert (answer.stdout, answer.stderr) == ("", "")
    assert (tmp_path / "mlflow.db").exists()


def test_a_kill_while_the_tables_are_created_leaves_no_half_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracking = Tracking(uri="sqlite:///mlflow.db", experiment="test")
    process = forkserver().Process(target=Store, args=(tracking,))
    process.start()
    wait_for(lambda: Path("mlflow.db.part").exists() and Path("mlflow.db.part").stat().st_size)
    process.kill()
    process.join()
    assert not Path("mlflow.db").exists()
    assert Store(tracking).runs().ids == set()
