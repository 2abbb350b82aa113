"""The time of trainings before the first one, from steps that are really timed."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.cells.cell import baseline_cell, distill_cell, teacher_cell
from kdpipe.commands.estimate import detectable_gains, estimated_seconds
from kdpipe.commands.plan import Line, Plan
from kdpipe.params.load import load
from kdpipe.report.read import load_content
from kdpipe.yolo import step_time

Write = Callable[..., Path]


def test_it_grows_with_what_is_trained(write_params: Write) -> None:
    write_params()
    params = load()
    teacher, alone, taught = (
        estimated_seconds(params, cell)
        for cell in (teacher_cell("yolo26s"), baseline_cell("yolo26n", 0), distill_cell("n-s", 1.0, 0))
    )
    assert teacher is not None
    assert alone is not None
    assert taught is not None
    assert 0 < alone < taught
    own = load().teachers["yolo26s"].train["epochs"]
    assert teacher / own > alone / params.train["epochs"] > 0
    epochs = params.train["epochs"]
    write_params(train__epochs=10 * epochs)
    assert estimated_seconds(load(), baseline_cell("yolo26n", 0)) == pytest.approx(10 * alone)


def test_a_step_is_timed_once(write_params: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_params().parent
    cell = baseline_cell("yolo26n", 0)
    first = estimated_seconds(load(), cell)
    (key,) = json.loads((folder / ".kdpipe/steps.json").read_text())
    assert key.startswith("yolo26n 64 px batch ")
    monkeypatch.setattr(step_time, "_measured", lambda *_: pytest.fail("timed again"))
    assert estimated_seconds(load(), cell) == first


def test_what_is_not_trained_takes_no_time(write_params: Write) -> None:
    write_params(teachers__yolo26s={"init": "weights.pt", "train": {"epochs": 0}})
    assert estimated_seconds(load(), teacher_cell("yolo26s")) == 0.0


def test_more_seeds_detect_less(reports: Path) -> None:
    assert (reports / "benchmark.json").exists()
    found = [list(detectable_gains(seeds)) for seeds in (3, 30)]
    few, many = (float(re.search(r"about (\S+) points", sentence)[1]) for (sentence,) in found)
    assert found[0] == [f"n-s: 3 seeds detect a gain of about {few} points (e2e head)"]
    assert 0 < many < few
    (gain,) = (row for row in load_content().gains.to_dict("records") if row["primary"])
    assert few == pytest.approx(100 * gain["detectable"], abs=0.051)


def test_a_report_of_before_says_nothing_of_what_is_detected(reports: Path, tmp_path: Path) -> None:
    """It does not have the error of its intervals."""
    shutil.copytree(reports, tmp_path / "reports")
    path = tmp_path / "reports/benchmark.json"
    content = json.loads(path.read_text())
    for one in content["comparisons"]:
        del one["error"]
    path.write_text(json.dumps(content))
    with contextlib.chdir(tmp_path):
        assert not list(detectable_gains(3))


def test_before_a_report_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not list(detectable_gains(3))


def test_a_rough_plan_says_so() -> None:
    lines = [Line("baseline", 4, 3), Line("report", 1, 1)]
    assert Plan(lines, 3 * 86400.0, at_most=True, rough=True).summary == (
        "3 trainings to run, and 1 other stage, at most; about 3 days of training, estimated from a timed "
        "step: it may take twice as long"
    )
