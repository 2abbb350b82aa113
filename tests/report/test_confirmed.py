"""What the report says of the seeds of `kdpipe confirm`, from stored results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from kdpipe.cells.cell import Cell, baseline_cell, distill_cell
from kdpipe.commands.confirm import tell
from kdpipe.console import console
from kdpipe.report.read import load_content
from tests.report.test_batch_statistics import measure_anew
from tests.reported import SCORES, finish, finish_all, report, trained_otherwise

SEEDS = (3, 4, 5, 6)


def confirmed(dis: float) -> list[Cell]:
    """Four new seeds of a pair and its student, finished: the pair gains 2 points at this `dis`."""
    cells = []
    for seed in SEEDS:
        alone, taught = baseline_cell("yolo26n", seed), distill_cell("n-s", dis, seed)
        for cell, score in ((alone, 0.40), (taught, 0.42 + 0.001 * seed)):
            finish(cell, score)
            cells.append(replace(cell, confirms=True))
    return cells


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every cell of SCORES, of which dis 1.0 is the best; the table of the report."""
    monkeypatch.chdir(tmp_path)
    finish_all()
    return tmp_path / "reports/benchmark.md"


def test_new_seeds_at_the_best_dis_have_the_last_word(finished: Path) -> None:
    reported = report(list(SCORES), confirmed=confirmed(1.0))
    assert "4 new seeds, 384 test images; the seeds that it was chosen by had +5.0" in reported.answers[0]
    assert "better: +2.4" in verdicts(finished)
    assert reported.warnings == ["a note"]


def test_new_seeds_that_cannot_be_compared_say_why(finished: Path) -> None:
    new = confirmed(1.0)
    for cell in new:
        if cell.kind == "distill":
            trained_otherwise(cell)
    (answer,) = report(list(SCORES), confirmed=new).answers
    assert answer.endswith("dis 1.0, e2e head: new seeds not compared: batch 8 instead of 16.")
    assert "| better    | not compared: batch 8 instead of 16 |" in verdicts(finished)
    with console.capture() as said:
        tell(load_content().confirmed)
    assert "n-s, dis 1.0, e2e: not compared: batch 8 instead of 16\n" in said.get()


@pytest.mark.usefixtures("finished")
def test_new_seeds_answer_where_the_others_cannot_be_compared() -> None:
    for cell in SCORES:
        if cell.kind == "distill":
            trained_otherwise(cell)
    (answer,) = report(list(SCORES), confirmed=confirmed(1.0)).answers
    assert answer.startswith("Better: ")
    assert answer.endswith("4 new seeds, 384 test images.")


def test_new_seeds_at_another_dis_say_nothing_of_the_best_one(finished: Path) -> None:
    reported = report(list(SCORES), confirmed=confirmed(6))
    (answer,) = reported.answers
    assert "dis 1.0" in answer
    assert "3 seeds, 384 test images." in answer
    assert "+2." not in answer
    assert "better: +2.4" not in verdicts(finished)
    _, warning = reported.warnings
    assert warning == (
        "the new seeds of n-s are of dis 6, and dis 1.0 is the best one now, of which they say nothing; "
        "`kdpipe confirm n-s` trains them at dis 1.0"
    )
    table = finished.read_text()
    assert f"**Warning:** {warning}" in table
    assert "| 6 " in table.split("## On new seeds")[1].split("\n## ")[0]


def test_new_seeds_are_planned_at_the_error_of_a_look(finished: Path) -> None:
    report(list(SCORES), confirmed=confirmed(1.0))
    lines = pd.read_csv(finished.parent / "numbers/confirmed.csv").query("primary").to_dict("records")
    for line in lines:
        assert line["detectable"] > line["high"] - line["gain"]
        assert line["seeds for gain"] == line["new seeds for gain"]


def test_new_seeds_whose_statistics_do_not_fit_are_named(finished: Path) -> None:
    new = confirmed(1.0)
    for cell in [*SCORES, *new]:
        measure_anew(cell, 0.2 if cell.id in ("distill/n-s/1.0/4", "teacher/yolo26s") else -0.01)
    _, warning = report(list(SCORES), confirmed=new).warnings
    assert warning.startswith("BatchNorm statistics do not fit the weights of 2 trainings; ")
    assert warning.count("teacher/yolo26s: ") == warning.count("distill/n-s/1.0/4: ") == 1
    assert f"**Warning:** {warning}" in finished.read_text()


def verdicts(table: Path) -> str:
    return table.read_text().split("## Verdicts")[1].split("\n## ")[0]
