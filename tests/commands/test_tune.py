"""Looking for `dis` and method, for real."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from omegaconf import OmegaConf

from kdpipe.cells.cell import distill_cell, this_cell
from kdpipe.cells.history import read_history
from kdpipe.cells.record import save_metrics
from kdpipe.commands.tune import Answer, _ap, _log, _row, _say_if_few, tell
from kdpipe.console import console
from kdpipe.errors import KdpipeError
from kdpipe.parallel.dvc_stages import Pipeline
from kdpipe.parallel.search import Trial
from kdpipe.parallel.trials import add_dis, trial_stages
from kdpipe.params.load import load
from kdpipe.params.schema import Tracking
from kdpipe.report.question import Question
from tests.processes import wait_for
from tests.project import REPOSITORY, copy_of, fresh_clone


def test_the_answer_names_the_method() -> None:
    trials = [Trial(0, "n-s", "l2", 6.0, {0: 0.3}), Trial(1, "soft", "predictions", 2.0, {0: 0.4})]
    with console.capture() as said:
        tell(Answer(trials[1], trials, "val", "test", [], "AP"))
    rows = [line.split() for line in said.get().splitlines()]
    assert ["│", "n-s", "│", "l2", "│", "6", "│", "1", "│", "30.0", "│"] in rows
    assert ["│", "soft", "│", "predictions", "│", "2", "│", "1", "│", "40.0", "│"] in rows
    assert "best on val: soft at dis 2 (predictions); its gain on test:" in said.get()
    assert _row(trials[1], "val", "AP") == {
        "pair": "soft",
        "method": "predictions",
        "dis": 2.0,
        "seeds": 1,
        "stopped": 0.0,
        "val/AP": 0.4,
    }


def test_the_best_is_chosen_by_the_primary_comparison(tmp_path: Path) -> None:
    heads = {"e2e": {"coco/AP": 0.4, "coco/AP50": 0.6}, "nms": {"coco/AP": 0.5, "coco/AP50": 0.7}}
    save_metrics(tmp_path, {"val": heads})
    assert _ap(tmp_path, "val", Question()) == 0.4
    assert _ap(tmp_path, "val", Question(head="nms", metric="AP50")) == 0.7


@pytest.mark.parametrize(("trials", "warned"), [(3, True), (4, False)])
def test_too_few_trials_are_said(trials: int, warned: bool) -> None:
    with console.capture() as said:
        _say_if_few(3, trials)
    assert ("write more --trials" in said.get()) == warned


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, ["--low", "5", "--high", "1"], "write numbers above 0, the smaller one as --low"),
        ({}, ["n-x"], "pairs.n-x: no pair that is trained; choose from: n-s"),
        ({"validate.splits": ["val"]}, ["--trials", "1"], "validate.splits: only val exists"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    tmp_path: Path, changes: dict[str, object], options: list[str], message: str
) -> None:
    project = fresh_clone(tmp_path)
    for key, value in changes.items():
        project.edit(key, value)
    answer = project.run("kdpipe", "tune", *options, check=False)
    assert answer.returncode == 2
    assert message in answer.stderr


def test_params_yaml_keeps_its_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(REPOSITORY / "params.yaml", "real.yaml")
    (tmp_path / "params.yaml").symlink_to("real.yaml")
    before = (tmp_path / "params.yaml").read_text()
    add_dis([2.0, 1.2])
    assert (tmp_path / "params.yaml").read_text() == before.replace("dis: [2.0]", "dis: [2.0, 1.2]")
    assert {path.name for path in tmp_path.iterdir()} == {"params.yaml", "real.yaml"}
    assert (tmp_path / "params.yaml").is_symlink()


def test_trials_are_stages_without_params_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = fresh_clone(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = (tmp_path / "params.yaml").read_bytes()
    target = "evaluate_distill@n-s-2.3-0"
    with trial_stages([2.3, 6]):
        pipeline = Pipeline(tmp_path, [target])
        assert {stage.name for stage in pipeline.stages} >= {target, "distill@n-s-2.3-0"}
        pipeline.close()
        monkeypatch.setenv("DVC_STAGE", "distill@n-s-2.3-0")
        assert this_cell(load(), ()) == distill_cell("n-s", 2.3, 0)
        monkeypatch.setenv("DVC_STAGE", target.replace("2.3", "6"))
        assert str(this_cell(load(), ()).dis) == "6"
        assert (tmp_path / "params.yaml").read_bytes() == before
    with pytest.raises(KdpipeError, match=r"2\.3"):
        Pipeline(tmp_path, [target])
    with pytest.raises(KdpipeError, match="names no cell"):
        this_cell(load(), ())
    assert (tmp_path / "params.yaml").read_bytes() == before
    assert project.run("git", "status", "--porcelain").stdout == ""


def test_a_store_that_is_away_costs_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with console.capture() as said:
        _log(Tracking(uri="http://127.0.0.1:9", experiment="test"), [])
    assert "the trials are not in MLflow" in said.get()


@pytest.mark.slow
@pytest.mark.nightly
def test_a_real_training_goes_on_where_its_node_has_left(
    first_run: Path, tmp_path: Path, cluster: Any
) -> None:
    node = cluster.add_node(num_cpus=1, memory=2**31)
    folder = tmp_path / "a clone"
    project = copy_of(first_run, folder)
    project.edit("sweep.seeds", [7])
    project.edit("students.yolo26n", {"init": "scratch", "train": {"epochs": 8}})
    running = project.start("kdpipe", "repro", "--ray", cluster.address, "baseline")
    log = folder / ".kdpipe/stages/baseline@yolo26n-7/log.txt"
    wait_for(lambda: log.exists() and "epoch 2/8" in log.read_text())
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1, memory=2**31 - 2**27)  # with a little less
    assert running.wait(600) == 0
    assert "continuing after epoch" in log.read_text()
    rows = read_history(folder / "runs/baseline/yolo26n/7/train/history.csv")
    assert [row["epoch"] for row in rows] == list(range(1, 9))


@pytest.mark.slow
def test_a_dis_is_looked_for_with_real_trainings(first_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a clone"
    project = copy_of(first_run, folder)
    search = ["kdpipe", "tune", "n-s", "--trials", "2", "--max-seeds", "4", "--jobs", "2"]
    answer = project.run(*search).stdout
    assert "best on val: n-s at dis" in answer
    verdicts = re.findall("undecided|better|worse|no gain worth having|unknown", answer)
    assert len(verdicts) == 4  # of the sweep and of the new seeds, on both heads
    assert answer.count("4 new seeds") == 2
    assert "up to date" in project.run("dvc", "status").stdout
    tried = OmegaConf.load(folder / "params.yaml").sweep.dis
    assert tried[0] == 1.0
    assert len(tried) <= 2
    written = load(folder / "params.yaml")
    assert written.sweep.tried == {"n-s": 2}
    assert (written.confirm.students, written.confirm.seeds) == (["yolo26n"], [1, 2, 3, 4])
    dis = written.confirm.pairs["n-s"]
    assert f"{dis} (best of 2)" in (folder / "reports/benchmark.md").read_text()
    confirmed = pd.read_csv(folder / "reports/numbers/confirmed.csv")
    assert set(confirmed["seeds"]) == {4}
    assert set(confirmed["tried"]) == {1}
    assert set(confirmed["dis"]) == {float(dis)}
    assert set(pd.read_csv(folder / "reports/numbers/gains.csv")["seeds"]) == {1}
    assert {path.name for path in (folder / "runs/distill/n-s").iterdir()} >= {str(dis) for dis in tried}
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["test"], filter_string="tags.stage = 'tune'")
    assert isinstance(runs, pd.DataFrame)
    history = mlflow.MlflowClient().get_metric_history(runs["run_id"][0], "tune/val/AP")
    assert [metric.step for metric in history] == [0, 1]


@pytest.mark.slow
@pytest.mark.nightly
def test_a_search_that_is_killed_leaves_params_yaml_as_it_was(first_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a clone"
    project = copy_of(first_run, folder)
    written = (folder / "params.yaml").read_bytes()
    few = ["--trials", "2", "--max-seeds", "0", "--jobs", "1"]
    search = ["kdpipe", "tune", "n-s", "--low", "2", "--high", "9", *few]
    running = project.start(*search)
    tried = folder / ".kdpipe/stages"
    log = wait_for(lambda: next((path for path in tried.glob("distill@*/log.txt")), None))
    wait_for(lambda: "epoch 1/" in log.read_text())
    assert (folder / "params.yaml").read_bytes() == written
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert (folder / "params.yaml").read_bytes() == written
    project.run("kdpipe", "check")
    answer = project.run(*search).stdout
    assert "best on val: n-s at dis" in answer
    best = OmegaConf.load(folder / "params.yaml").sweep.dis
    assert best[0] == 1.0
    assert len(best) == 2
