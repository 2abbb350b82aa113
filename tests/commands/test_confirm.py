"""Confirming a choice on new seeds; tests/commands/test_tune.py has one from its search to its report."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from math import inf
from pathlib import Path

import pandas as pd
import pytest

from kdpipe.cells.cell import all_cells, seeds_of_pair, seeds_of_student, teacher_for
from kdpipe.checks.question import question_problems
from kdpipe.commands.confirm import _choices, _undecided, _write, seconds_of
from kdpipe.console import console
from kdpipe.errors import KdpipeError
from kdpipe.params.load import load
from kdpipe.report.sequential import LOOKS, look_of, next_look
from tests.processes import wait_for
from tests.project import copy_of

GAINS = pd.DataFrame(
    {
        "pair": ["n-s", "n-s", "n-m", "n-m"],
        "dis": ["1.0", "6", "1.0", "6"],
        "best": [False, True, True, False],
        "primary": [False, True, True, False],
        "verdict": ["better", "undecided", "worse", "undecided"],
    }
)


def test_a_budget_is_a_time() -> None:
    assert seconds_of(None) is None
    assert [seconds_of(text) for text in ("90s", "90m", "1.5h", "2d")] == [90, 5400, 5400, 172800]
    for wrong in ("", "2", "h", "-1h", "infh", "2 weeks"):
        with pytest.raises(KdpipeError, match="write a time such as 90m or 2h"):
            seconds_of(wrong)


def test_looks_follow_each_other() -> None:
    assert [next_look(seeds) for seeds in (0, 4, 5, 48, 64)] == [4, 6, 6, 64, None]
    assert [look_of(seeds) for seeds in (2, 4, 13, 64, 65, inf)] == [4, 4, 16, 64, inf, inf]
    assert list(LOOKS) == sorted(LOOKS)


def test_what_is_decided_gets_no_more_seeds() -> None:
    assert _undecided(GAINS, {"n-s": 6, "n-m": 1.0}) == ["n-s"]
    assert _undecided(GAINS, {"n-m": 1.0}) == []
    assert _undecided(pd.DataFrame(), {"n-m": 1.0}) == ["n-m"]


def test_it_is_written_with_its_students_and_with_the_comments(
    write_params: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_params(sweep__dis=[1.0, 6], sweep__seeds=[3, 1])
    path.write_text("# a comment\n" + path.read_text())
    cells = set(all_cells(load()))
    params = _write(load(), {"n-s": 6}, 4)
    assert path.read_text().startswith("# a comment")
    assert params == load()
    assert (params.confirm.pairs, params.confirm.students) == ({"n-s": 6}, ["yolo26n"])
    assert params.confirm.seeds == [4, 5, 6, 7]
    assert _write(params, {"n-s": 6}, 6).confirm.seeds == [4, 5, 6, 7, 8, 9]
    new = set(all_cells(params)) - cells
    assert {cell.id for cell in new} == {
        *(f"baseline/yolo26n/{seed}" for seed in range(4, 8)),
        *(f"distill/n-s/6/{seed}" for seed in range(4, 8)),
    }
    content = type("Content", (), {"gains": GAINS})
    monkeypatch.setattr("kdpipe.commands.confirm.load_content", lambda: content)
    params.confirm.pairs["n-s"] = 1.0
    with console.capture() as said:
        assert _choices(params, []) == {"n-s": 6}
    assert "n-s: dis 6 is the best now, no longer 1.0" in said.get()
    with pytest.raises(KdpipeError, match="n-x: no pair that is trained; did you mean 'n-s'"):
        _choices(params, ["n-x"])


def test_only_what_is_confirmed_has_new_seeds_and_new_teachers(write_params: Callable[..., Path]) -> None:
    started = {"init": {"from": "yolo26s"}}
    pair = {"student": "yolo26n", "teacher": "yolo26s"}
    write_params(
        students={"yolo26n": started, "other": {"model": "yolo26n", **started}},
        pairs={"n-s": pair, "other-s": pair | {"student": "other"}},
        sweep__paired=["yolo26s"],
    )
    params = _write(load(), {"n-s": 1.0}, 4)
    assert params.confirm.paired == ["yolo26s"]
    assert list(question_problems(params)) == []
    assert seeds_of_student(params, "yolo26n") == seeds_of_pair(params, "n-s") == [0, 1, 2, 3, 4]
    assert seeds_of_student(params, "other") == seeds_of_pair(params, "other-s") == [0]
    stages = {cell.stage for cell in all_cells(params)}
    assert {"paired_teacher@yolo26s-0", "confirm_paired_teacher@yolo26s-4"} <= stages
    assert teacher_for(params, "yolo26s", 4).stage == "confirm_paired_teacher@yolo26s-4"


@pytest.mark.slow
@pytest.mark.nightly
def test_it_goes_on_where_it_was_killed_and_is_reproduced(first_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a clone"
    project = copy_of(first_run, folder)
    command = ["kdpipe", "confirm", "n-s", "--max-seeds", "4", "--jobs", "2"]
    running = project.start(*command)
    done = folder / "runs/baseline/yolo26n/1/train/record.json"
    wait_for(done.exists)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    trained = done.read_text()
    assert load(folder / "params.yaml").confirm.seeds == [1, 2, 3, 4]
    answer = project.run(*command).stdout
    assert answer.count("4 new seeds") == 2
    assert done.read_text() == trained  # not a second time
    table = (folder / "reports/benchmark.md").read_text()
    assert "## On new seeds" in table
    assert "up to date" in project.run("dvc", "repro").stdout
    shown = project.run("kdpipe", "show").stdout
    assert "4 new seeds" in shown
    assert (folder / "reports/benchmark.md").read_text() == table
