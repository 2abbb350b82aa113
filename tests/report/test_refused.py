"""What the report shows of trainings that must not be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from kdpipe.cells.record import load_record
from kdpipe.commands.status import _gains
from kdpipe.page import figures
from kdpipe.params.load import load
from kdpipe.report.read import load_content
from kdpipe.stages.page import _of_one_seed
from tests.reported import SCORES, finish_all, report, trained_otherwise

REFUSED = "not compared: batch 8 instead of 16"


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every cell of SCORES; the folder of the report."""
    monkeypatch.chdir(tmp_path)
    finish_all()
    return tmp_path / "reports"


def test_where_nothing_can_be_compared_the_report_says_why(finished: Path) -> None:
    for cell in SCORES:
        if cell.kind == "distill":
            trained_otherwise(cell)
    (answer,) = report(list(SCORES)).answers
    assert answer == f"yolo26n from yolo26s (n-s), dis 1.0, e2e head: {REFUSED}."
    assert REFUSED in (finished / "benchmark.md").read_text().split("## Verdicts")[1].split("\n## ")[0]
    content = load_content()
    assert content.gains["holm"].isna().all()
    assert "latency" in {plot.name for plot in figures.draw(content)}
    assert not list(_of_one_seed(content, {cell.id: cell for cell in SCORES}))
    for name in ("seeds", "classes", "sizes", "costs"):
        assert content.numbers[name].empty, name
    table = (finished / "benchmark.md").read_text()
    assert "## What it cost" not in table
    assert "## Where the gain comes from" not in table


def test_what_is_beside_a_gain_is_of_its_seeds(finished: Path) -> None:
    """Seed 1 of dis 1.0 is left out; it took four times as long, as did the baseline of seed 0."""
    for cell in SCORES:
        if cell.id == "distill/n-s/1.0/1":
            trained_otherwise(cell)
            record = load_record(cell.train_dir)
            replace(record, seconds=4 * record.seconds).save(cell.train_dir)
        if cell.kind == "baseline" and cell.seed == 0:
            record = load_record(cell.train_dir)
            replace(record, seconds=4 * record.seconds).save(cell.train_dir)
    report(list(SCORES))
    numbers = load_content().numbers
    assert list(_one(numbers["seeds"])["seed"]) == [0, 2]
    (gain,) = _one(numbers["gains"])["gain"]
    sizes, classes, costs = (_one(numbers[name]) for name in ("sizes", "classes", "costs"))
    assert list(sizes["gain"]) == pytest.approx([gain, gain])
    assert list(sizes["distilled"] - sizes["baseline"]) == pytest.approx([gain, gain])
    assert list(classes["gain"]) == pytest.approx([gain, 0.0, gain])
    assert list(costs["time"]) == pytest.approx([1 / 2.5])
    table = (finished / "benchmark.md").read_text()
    baseline, distilled = 100 * (0.40 + 0.41) / 2, 100 * (0.45 + 0.459) / 2
    assert f"| yolo26n baseline | e2e    | {baseline:.1f} | {baseline:.1f}   |" in table
    assert f"| n-s dis 1.0      | e2e    | {distilled:.1f} |" in table


@pytest.mark.usefixtures("finished")
def test_pictures_are_of_a_seed_that_is_compared() -> None:
    for cell in SCORES:
        if cell.id == "distill/n-s/1.0/0":
            trained_otherwise(cell)
    report(list(SCORES))
    ((_, setting, trainings),) = _of_one_seed(load_content(), {cell.id: cell for cell in SCORES})
    assert (setting, trainings["distilled"].seed) == ("n-s, dis 1.0, seed 1", 1)


@pytest.mark.usefixtures("finished")
def test_gains_so_far_are_of_seeds_that_are_compared(write_params: Callable[..., Path]) -> None:
    params = load(write_params(sweep__dis=[1.0, 6], sweep__seeds=[0, 1, 2]))
    for cell in SCORES:
        if cell.kind == "distill" and (cell.dis == 6 or cell.seed == 1):
            trained_otherwise(cell)
    (line,) = _gains(params, set(SCORES))
    assert line.startswith("n-s, dis 1.0, e2e head, test: +5.0 [")
    assert line.endswith(" points, 2 seeds")


def _one(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of dis 1.0 on the e2e head, or of both heads where a table has no heads."""
    rows = table[table["dis"] == "1.0"]
    return rows[rows["head"] == "e2e"] if "head" in rows else rows
