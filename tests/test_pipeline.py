"""The main job as a user does it: real `dvc repro` on the smallest comparison.

The tests share one clone and run in this order; each leaves it in the state the next starts from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from kdpipe.cells.history import read_history
from tests.project import REPOSITORY, Project
from tests.test_every_task import check_registered

pytestmark = pytest.mark.slow
OWN_TAGS = ("mlflow.parentRunId", "place", "record_writes")  # of one store, of a training that ran here


def stages(output: str) -> list[str]:
    """The stages that a `dvc repro` ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")]


def tracked(project: Project) -> pd.DataFrame:
    mlflow.set_tracking_uri(f"sqlite:///{project.folder}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["test"], filter_string="tags.stage != 'pipeline'")
    assert isinstance(runs, pd.DataFrame)
    return runs.set_index("tags.cell")


def steps(project: Project, cell: str, metric: str) -> list[int]:
    """The epochs for which MLflow has a metric of a cell."""
    run = tracked(project).loc[cell, "run_id"]
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        query = "select step from metrics where run_uuid = ? and key = ? order by step"
        return [step for (step,) in database.execute(query, [run, metric])]


def benchmark(project: Project) -> dict[str, list[dict[str, object]]]:
    content: dict[str, list[dict[str, object]]] = json.loads(
        (project.folder / "reports/benchmark.json").read_text()
    )
    return content


def test_one_command_does_it_all(clone: Project, first_run: Path) -> None:
    assert "INFO" not in (first_run / "errors.txt").read_text()  # as MLflow logs its tables
    assert "3 trainings to run" in (first_run / "check.txt").read_text()
    assert stages((first_run / "repro.txt").read_text()) == [
        "prepare",
        "teacher@yolo26s",
        "validate_teacher@yolo26s",
        "evaluate_teacher@yolo26s",
        "start@yolo26n",
        "pick_teacher@n-s",
        "baseline@yolo26n-0",
        "validate_baseline@yolo26n-0",
        "evaluate_baseline@yolo26n-0",
        "distill@n-s-1.0-0",
        "validate_distill@n-s-1.0-0",
        "evaluate_distill@n-s-1.0-0",
        "report",
        "page",
    ]
    runs, table = tracked(clone), clone.folder / "reports/benchmark.csv"
    cells = pd.read_csv(table).to_dict("records")
    assert {(cell["cell"], cell["split"], cell["head"]) for cell in cells} == {
        (cell, split, head)
        for split in ("val", "test")
        for cell in ("teacher/yolo26s", "baseline/yolo26n/0", "distill/n-s/1.0/0")
        for head in ("e2e", "nms")
    }
    for cell in cells:
        place = f"metrics.{cell['split']}/{cell['head']}"
        for metric in ("mAP50-95", "coco/AP"):
            assert cell[metric] == runs.loc[str(cell["cell"]), f"{place}/{metric}"]
    assert set(runs["status"]) == {"FINISHED"}
    assert not list((clone.folder / ".kdpipe/work").iterdir())
    page = (clone.folder / "reports/index.html").read_text()
    assert all(
        f"http://127.0.0.1:5000/#/experiments/1/runs/{run}?workflowType=machine_learning" in page
        for run in runs["run_id"]
    )
    assert json.loads((clone.folder / "data/dataset/manifest.json").read_text())["digest"] in page
    shown = clone.run("kdpipe", "show").stdout
    assert "no gain worth having" in shown
    assert "find almost nothing" in shown  # so few steps teach nothing, and the report says so


def test_the_history_in_mlflow_has_every_epoch(clone: Project) -> None:
    assert steps(clone, "distill/n-s/1.0/0", "train/dis_loss") == [1, 2]
    history = read_history(clone.folder / "runs/distill/n-s/1.0/0/train/history.csv")
    assert all(row["train/dis_loss"] > 0 and row["train/box_loss"] > 0 for row in history)
    assert "metrics/mAP50-95" in history[0]


def test_the_report_is_in_mlflow_too(clone: Project) -> None:
    check_reported(clone, clone.folder / "mlflow.db")


def test_a_list_of_runs_has_few_columns(clone: Project) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{clone.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("test")
    trainings = client.search_runs([experiment.experiment_id], "tags.stage != 'pipeline'")
    columns = set().union(*(run.data.metrics for run in trainings))
    assert {"test/e2e/coco/AP", "test/nms/mAP50-95", "train/dis_loss", "cost/seconds"} <= columns
    assert len(columns) <= 45, sorted(columns)


def check_reported(clone: Project, database: Path) -> None:
    """The numbers, sentence and files of the report are on the parent run, the sentence at the experiment."""
    client = mlflow.MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("test")
    found = client.search_runs([experiment.experiment_id], "tags.stage = 'pipeline'")
    (parent,) = (run for run in found if "report_digest" in run.data.tags)
    said = json.loads((clone.folder / "reports/metrics.json").read_text())["n-s"]
    assert {name: parent.data.metrics[f"n-s/e2e/{name}"] for name in said["e2e"]} == said["e2e"]
    (answer,) = json.loads((clone.folder / "reports/benchmark.json").read_text())["answers"]
    assert experiment.tags["mlflow.note.content"] == parent.data.tags["mlflow.note.content"] == answer
    assert "mlflow.sharedViewState.kdpipe" in experiment.tags
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"index.html", "benchmark.md", "metrics.json", "plots"}
    reported = client.search_runs([experiment.experiment_id], "tags.reported = 'yes'")
    assert {run.data.params["arm"] for run in reported} == {
        "yolo26s teacher",
        "yolo26n baseline",
        "n-s dis 1.0",
    }


def test_the_best_student_is_a_model_of_mlflow(clone: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone.folder)
    check_registered()


def test_a_second_time_there_is_nothing_to_do(clone: Project) -> None:
    output = clone.run("dvc", "repro").stdout
    assert stages(output) == []
    assert "Data and pipelines are up to date." in output
    assert "nothing to train" in clone.run("kdpipe", "check").stdout
    assert "up to date" in clone.run("dvc", "status").stdout


def test_the_views_of_dvc_work(clone: Project) -> None:
    clone.run("git", "add", "--all")
    clone.run("git", "commit", "--quiet", "--message", "results")
    assert "n-s.e2e.gain" in clone.run("dvc", "metrics", "show").stdout
    clone.edit("train.lr0", 0.005)
    assert "train.lr0" in clone.run("dvc", "params", "diff").stdout
    clone.run("git", "checkout", "--quiet", "params.yaml")
    clone.run("dvc", "plots", "show", "--out", "plots")
    page = (clone.folder / "plots/index.html").read_text()
    for title in ("gain over dis", "mAP50-95 over epochs", "distillation loss"):
        assert title in page
    assert "report" in clone.run("dvc", "dag").stdout


def test_an_experiment_trains_only_its_new_cells(clone: Project) -> None:
    before = set(tracked(clone)["run_id"])
    output = clone.run("dvc", "exp", "run", "-S", "sweep.dis=[2.0]").stdout
    assert stages(output) == [
        "distill@n-s-2.0-0",
        "validate_distill@n-s-2.0-0",
        "evaluate_distill@n-s-2.0-0",
        "report",
        "page",
    ]
    runs = tracked(clone)
    assert before < set(runs["run_id"])
    assert len(runs) == len(before) + 1
    assert [row["dis"] for row in benchmark(clone)["best"]] == ["2.0"]
    assert "n-s.dis" in clone.run("dvc", "metrics", "diff").stdout


def test_sync_finds_what_other_revisions_and_experiments_trained(clone: Project) -> None:
    """The workspace holds the experiment's dis 2.0 by now, the last commit dis 1.0."""
    before = set(tracked(clone).index)
    database = clone.folder / "mlflow.db"
    database.rename(clone.folder / "mlflow.db.lost")
    try:
        dry = clone.run("kdpipe", "sync", "--experiments", "--dry-run").stdout
        assert "distill/n-s/2.0/0: run would be brought up to date" in dry
        assert "3 runs would be brought up to date" in dry
        assert "3 runs brought up to date" in clone.run("kdpipe", "sync", "--experiments").stdout
        output = clone.run("kdpipe", "sync", "--experiments", "--rev", "HEAD").stdout
        assert "distill/n-s/1.0/0: run brought up to date" in output
        assert "1 run brought up to date" in output
        assert "0 runs brought up to date" in clone.run("kdpipe", "sync", "--rev", "HEAD").stdout
        with sqlite3.connect(database) as opened:
            cells = opened.execute("select value from tags where key = 'cell'").fetchall()
        assert {cell for (cell,) in cells} == before
        assert clone.run("kdpipe", "sync", "--rev", "nowhere", check=False).returncode == 2
    finally:
        (clone.folder / "mlflow.db.lost").rename(database)


@pytest.mark.nightly
def test_queued_experiments_land_in_the_store_of_the_repository(
    clone: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # two jobs that want all cores wait for each other
    queued = {"three": 3.0, "four": 4.0}
    for name, dis in queued.items():
        clone.run("dvc", "exp", "run", "--queue", "--name", name, "-S", f"sweep.dis=[{dis}]")
    clone.run("dvc", "queue", "start", "--jobs", "2")
    deadline = time.monotonic() + 900
    while clone.run("dvc", "queue", "status").stdout.count("Success") < len(queued):
        assert time.monotonic() < deadline, clone.run("dvc", "queue", "logs", "three").stdout
        time.sleep(2)
    runs, commit = tracked(clone), clone.run("git", "rev-parse", "HEAD").stdout.strip()
    for name, dis in queued.items():
        run = runs.loc[f"distill/n-s/{dis}/0"]
        assert run["status"] == "FINISHED"
        assert run["tags.dvc_experiment"] == name
        assert run["tags.dvc_baseline"] == commit
        assert run["metrics.test/e2e/coco/AP"] >= 0
    found = re.search(r"--drop '([^']+)'", (REPOSITORY / "README.md").read_text())
    assert found is not None
    hidden = found[1]
    shown = clone.run("dvc", "exp", "show", "--csv", "--only-changed", "--drop", hidden).stdout
    columns = {column.split(":")[-1] for column in shown.splitlines()[0].split(",")}
    assert {"n-s.dis", "sweep.dis"} <= columns  # gains do not change: after so little training all are 0
    assert len(columns) <= 20, columns


@pytest.mark.nightly
def test_an_experiment_in_a_temporary_folder_lands_in_the_store_of_the_repository(clone: Project) -> None:
    clone.run("dvc", "exp", "run", "--temp", "--name", "five", "-S", "sweep.dis=[5.0]")
    assert not (clone.folder / "runs/distill/n-s/5.0").exists()
    run = tracked(clone).loc["distill/n-s/5.0/0"]
    assert (run["status"], run["tags.dvc_experiment"]) == ("FINISHED", "five")


@pytest.mark.nightly
def test_a_hit_of_the_run_cache_reaches_mlflow(clone: Project) -> None:
    """DVC restores the outputs of cells that were trained before, and runs no command of theirs."""
    params, database = clone.folder / "params.yaml", clone.folder / "mlflow.db"
    text = params.read_text()
    clone.edit("sweep.dis", [2.0])
    clone.run("dvc", "repro")
    before = tracked(clone).loc["distill/n-s/2.0/0"]
    database.rename(clone.folder / "mlflow.db.before")
    try:
        clone.edit("sweep.dis", [1.0])
        clone.run("dvc", "repro")
        clone.run("kdpipe", "clean", "--yes")
        assert not (clone.folder / "runs/distill/n-s/2.0/0/train").exists()
        clone.edit("sweep.dis", [2.0])
        assert stages(clone.run("dvc", "repro").stdout) == ["report", "page"]
        cells, _ = contents(database)
    finally:
        (clone.folder / "mlflow.db.before").rename(database)
        params.write_text(text)
        clone.run("dvc", "repro")
    assert cells["distill/n-s/2.0/0"]["metric test/e2e/coco/AP"] == before["metrics.test/e2e/coco/AP"]


def test_another_clone_has_the_same_runs_after_a_pull(clone: Project, tmp_path: Path) -> None:
    clone.run("dvc", "remote", "add", "--default", "--local", "shelf", str(tmp_path / "shelf"))
    clone.run("git", "stash", "--quiet")
    try:
        clone.run("dvc", "push")
        other = Project(tmp_path / "other")
        clone.run("git", "clone", "--quiet", str(clone.folder), str(other.folder))
    finally:
        clone.run("git", "stash", "pop", "--quiet")
    other.run("dvc", "remote", "add", "--default", "--local", "shelf", str(tmp_path / "shelf"))
    other.run("dvc", "pull")
    assert "3 runs brought up to date" in other.run("kdpipe", "sync").stdout
    theirs, ours = tracked(other), tracked(clone)
    for column in ("metrics.test/e2e/coco/AP", "start_time", "end_time", "params.dis", "tags.fingerprint"):
        assert theirs[column].to_dict() == ours.loc[theirs.index, column].to_dict()
    table = (other.folder / "reports/benchmark.md").read_text()
    other.run("dvc", "repro", "--force", "--single-item", "report")
    assert (other.folder / "reports/benchmark.md").read_text() == table


def test_a_killed_repro_is_continued_by_the_next(clone: Project) -> None:
    params = clone.folder / "params.yaml"
    text = params.read_text()
    try:
        clone.edit("sweep.seeds", [7])
        clone.edit("students.yolo26n", {"init": "scratch", "train": {"epochs": 8}})
        process = clone.start("dvc", "repro", "baseline@yolo26n-7")
        deadline = time.monotonic() + 180
        while not any(len(read_history(p)) > 1 for p in clone.folder.glob(".kdpipe/work/*/history.csv")):
            assert time.monotonic() < deadline, "no second epoch within three minutes"
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        killed = pd.Timestamp.now("UTC")
        output = clone.run("dvc", "repro", "baseline@yolo26n-7").stdout
    finally:
        params.write_text(text)
    assert "continuing after epoch" in output
    rows = read_history(clone.folder / "runs/baseline/yolo26n/7/train/history.csv")
    assert [row["epoch"] for row in rows] == list(range(1, 9))
    assert steps(clone, "baseline/yolo26n/7", "train/box_loss") == list(range(1, 9))
    run = tracked(clone).loc["baseline/yolo26n/7"]
    assert run["start_time"] < killed < run["end_time"]


def test_a_cell_that_params_no_longer_name_is_offered_for_removal(clone: Project) -> None:
    clone.edit("sweep.dis", [1.0])
    assert (clone.folder / "runs/distill/n-s/2.0/0/train/best.pt").exists()
    output = clone.run("kdpipe", "clean", "--yes").stdout
    assert "runs/distill/n-s/2.0/0/train" in output
    assert not (clone.folder / "runs/distill/n-s/2.0/0/train").exists()
    assert stages(clone.run("dvc", "repro").stdout) in (["report", "page"], [])
    assert (clone.folder / "runs/distill/n-s/1.0/0/train/best.pt").exists()
    assert [row["dis"] for row in benchmark(clone)["best"]] == ["1.0"]


@pytest.mark.parametrize(
    ("key", "value", "stale"),
    [
        (
            "sweep.seeds",
            [0, 1],
            {"baseline@yolo26n-1", "distill@n-s-1.0-1", "pick_teacher@n-s", "start@yolo26n"},
        ),
        (
            "sweep.paired",
            ["yolo26s"],
            {"paired_teacher@yolo26s-0", "pick_teacher@n-s", "start@yolo26n"},
        ),
        ("sweep.dis", [1.0, 3.0], {"distill@n-s-3.0-0"}),
        (
            "students.yolo26n.train",
            {"epochs": 1},
            {"baseline@yolo26n-0", "pick_teacher@n-s", "start@yolo26n"},
        ),
        ("pairs.n-s.teacher", ["yolo26s"], {"pick_teacher@n-s"}),
        ("validate.iou", 0.6, {"validate_teacher@yolo26s", "validate_baseline@yolo26n-0"}),
        ("evaluate.seed", 1, {"evaluate_teacher@yolo26s", "evaluate_distill@n-s-1.0-0"}),
        ("teachers.yolo26s.train.epochs", 2, {"teacher@yolo26s", "pick_teacher@n-s"}),
    ],
)
def test_an_edit_makes_stale_what_depends_on_it(
    clone: Project, key: str, value: object, stale: set[str]
) -> None:
    params = clone.folder / "params.yaml"
    text = params.read_text()
    try:
        clone.edit(key, value)
        found = set(json.loads(clone.run("dvc", "status", "--json").stdout))
    finally:
        params.write_text(text)
    measuring = ("validate_", "evaluate_", "report", "page")
    assert stale <= found
    assert {name for name in found if not name.startswith(measuring)} == {
        name for name in stale if not name.startswith(measuring)
    }


def changed(clone: Project, module: str, old: str, new: str) -> dict[str, list[object]]:
    """What `dvc status` says while a module of the clone is edited."""
    path = clone.folder / module
    text = path.read_text()
    assert old in text
    try:
        path.write_text(text.replace(old, new, 1))
        status: dict[str, list[object]] = json.loads(clone.run("dvc", "status", "--json").stdout)
        return status
    finally:
        path.write_text(text)


def test_an_edit_of_a_docstring_makes_nothing_stale(clone: Project) -> None:
    assert changed(clone, "kdpipe/runner/train.py", '"""Train', '"""Begin to train') == {}


def test_another_recipe_of_trainings_makes_every_training_stale_and_nothing_else(clone: Project) -> None:
    status = changed(clone, "pipelines/recipe.yaml", "TRAINING: 1", "TRAINING: 2")
    assert set(status) == {"teacher@yolo26s", "baseline@yolo26n-0", "distill@n-s-1.0-0"}


@pytest.mark.parametrize(
    ("key", "value", "cells"),
    [
        ("data.digits.seed", 1, "3 trainings to run"),
        ("teachers.yolo26s.train.epochs", 2, "2 trainings to run"),
        ("validate.iou", 0.6, "nothing to train, and 9 other stages to run, at most"),
    ],
)
def test_the_plan_counts_what_follows_from_an_edit(
    clone: Project, key: str, value: object, cells: str
) -> None:
    params = clone.folder / "params.yaml"
    text = params.read_text()
    try:
        clone.edit(key, value)
        assert cells in clone.run("kdpipe", "check").stdout
    finally:
        params.write_text(text)


def test_a_lost_database_is_made_anew(clone: Project) -> None:
    """Every run has what it had: params, metrics, tags, times, and every step of every history."""
    database, lost = clone.folder / "mlflow.db", clone.folder / "mlflow.db.lost"
    values, times = contents(database)
    database.rename(lost)
    try:
        assert "3 runs brought up to date" in clone.run("kdpipe", "sync").stdout
        assert "0 runs brought up to date" in clone.run("kdpipe", "sync").stdout
        values_after, times_after = contents(database)
        # This process has the lost one still open under its name.
        check_reported(clone, Path(shutil.copyfile(database, clone.folder / ".kdpipe/anew.db")))
    finally:
        lost.replace(database)
    assert values_after.keys() == {"teacher/yolo26s", "baseline/yolo26n/0", "distill/n-s/1.0/0"}
    for cell, found in values_after.items():
        assert found == values[cell]
        assert times_after[cell] == pytest.approx(times[cell], abs=0.01)


def contents(database: Path) -> tuple[dict[str, dict[str, object]], dict[str, dict[str, float]]]:
    """What a store says of each cell, without the names that it gives by chance, and its times in seconds."""
    values: dict[str, dict[str, object]] = {}
    times: dict[str, dict[str, float]] = {}
    with sqlite3.connect(database) as opened:
        runs = opened.execute(
            "select run_uuid, value, start_time / 1000.0, end_time / 1000.0, status "
            "from runs join tags using (run_uuid) where key = 'cell' and lifecycle_stage = 'active'"
        ).fetchall()
        for run, cell, start, end, status in runs:
            values[cell], times[cell] = {"status": status}, {"start": start, "end": end}
            for table in ("params", "tags"):
                rows = opened.execute(f"select key, value from {table} where run_uuid = ?", [run])  # noqa: S608
                values[cell] |= {f"{table} {key}": value for key, value in rows if key not in OWN_TAGS}
            rows = opened.execute("select key, step, value, timestamp from metrics where run_uuid = ?", [run])
            for key, step, value, timestamp in rows:
                # What was measured after the training came in one write or in two.
                at = step if {"e2e", "nms"}.isdisjoint(key.split("/")) else "the end"
                values[cell] |= {f"{key} {at}": value, f"metric {key}": value}
                times[cell][f"{key} {at}"] = timestamp / 1000
    return values, times


def test_another_pair_leaves_the_first_alone(clone: Project) -> None:
    params = clone.folder / "params.yaml"
    text = params.read_text()
    try:
        clone.edit("pairs.again", {"student": "yolo26n", "teacher": "yolo26s"})
        found = set(json.loads(clone.run("dvc", "status", "--json").stdout))
    finally:
        params.write_text(text)
    assert {name for name in found if "again" in name} == {
        "pick_teacher@again",
        "distill@again-1.0-0",
        "validate_distill@again-1.0-0",
        "evaluate_distill@again-1.0-0",
    }
    assert not {name for name in found if "again" not in name} - {"report", "page"}


def test_every_stage_refuses_a_mistake_with_exit_code_2(clone: Project) -> None:
    params = clone.folder / "params.yaml"
    text = params.read_text()
    commands = [
        ["kdpipe", "check"],
        ["python", "-m", "pipelines.prepare"],
        ["python", "-m", "pipelines.train", "teacher/yolo26s"],
        ["python", "-m", "pipelines.pick_teacher", "n-s"],
        ["python", "-m", "pipelines.train", "baseline/yolo26n/0"],
        ["python", "-m", "pipelines.train", "distill/n-s/1.0/0"],
        ["python", "-m", "pipelines.validate", "teacher/yolo26s"],
        ["python", "-m", "pipelines.evaluate", "teacher/yolo26s"],
        ["python", "-m", "pipelines.report"],
    ]
    try:
        clone.edit("train.epohcs", 3)
        for command in commands:
            answer = clone.run(*command, check=False)
            assert answer.returncode == 2, command
            assert "params.yaml: train.epohcs: no train argument of Ultralytics" in answer.stderr
            assert "did you mean 'epochs'" in answer.stderr
            assert "Traceback" not in answer.stderr
    finally:
        params.write_text(text)


def test_a_name_never_reaches_a_shell(clone: Project) -> None:
    """Not even when everything before is up to date, so that no stage has refused the name before."""
    params = clone.folder / "params.yaml"
    text = params.read_text()
    name = "'; touch gotcha; $(touch gotcha) '"
    try:
        clone.edit(
            "students", {"yolo26n": {"init": "scratch"}, name: {"init": "scratch", "model": "yolo26n"}}
        )
        answer = clone.run("dvc", "repro", check=False)
        assert answer.returncode
        assert "use letters, digits, '_' and '-'" in answer.stderr
        assert not list(clone.folder.rglob("gotcha*"))
    finally:
        params.write_text(text)


def test_nothing_of_ultralytics_or_mlflow_lands_beside_the_project(clone: Project) -> None:
    assert not (clone.folder / "mlruns").exists()
    assert not list(clone.folder.glob("*.pt"))
    changed = clone.run("git", "status", "--porcelain", "--untracked-files=all").stdout
    allowed = ("dvc.lock", "reports/", "params.yaml", "plots/")
    assert not [line for line in changed.splitlines() if not line[3:].startswith(allowed)]
    assert Path(clone.folder / "dvc.yaml").read_text() == clone.run("git", "show", "HEAD:dvc.yaml").stdout
