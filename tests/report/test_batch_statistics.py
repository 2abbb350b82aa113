"""What the report says of mAP50-95 with BatchNorm statistics anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kdpipe.cells.cell import Cell, baseline_cell, distill_cell
from kdpipe.cells.record import ANEW_METRIC, load_metrics, save_metrics
from kdpipe.evaluation import RESAMPLES_FILE, save_resamples
from tests.reported import SCORES, finish, report

SPOILT, NOISY, LOWER = distill_cell("n-s", 1.0, 1), baseline_cell("yolo26n", 1), distill_cell("n-s", 6, 0)
SECTION = "## BatchNorm statistics anew"
HEADS = ("e2e", "nms")


def measure_anew(cell: Cell, more: float) -> None:
    """Add to what validation leaves a mAP50-95 that is so much higher with statistics anew."""
    metrics = load_metrics(cell.val_dir)
    for head, values in metrics["val"].items():
        metrics["val"][head] = values | {ANEW_METRIC: values["mAP50-95"] + more}
    save_metrics(cell.val_dir, metrics)


def section(reports: Path) -> str:
    return (reports / "benchmark.md").read_text().partition(SECTION)[2].partition("\n## ")[0]


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every checkpoint of SCORES, a little lower with statistics anew; their noise is 0.4 points."""
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score)
        measure_anew(cell, -0.012)
    return tmp_path / "reports"


def test_ordinary_noise_is_listed_and_no_warning(finished: Path) -> None:
    assert report(list(SCORES)).warnings == ["a note"]
    text = section(finished)
    assert "| n-s dis 1.0      | e2e    | 44.0        | 42.8   | -1.2         | 0 of 3         |" in text
    assert "| yolo26n baseline | NMS    | 40.0        | 38.8   | -1.2         | 0 of 3         |" in text


def test_every_checkpoint_has_its_value_in_the_table_of_cells(finished: Path) -> None:
    report(list(SCORES))
    cells = pd.read_csv(finished / "benchmark.csv")
    val = cells[cells["split"] == "val"]
    assert np.allclose(val[ANEW_METRIC], val["mAP50-95"] - 0.012)
    assert cells[cells["split"] == "test"][ANEW_METRIC].isna().all()


def test_a_checkpoint_that_is_better_anew_is_named(finished: Path) -> None:
    measure_anew(SPOILT, 0.232)
    [_, said] = report(list(SCORES)).warnings
    assert said.startswith(
        "BatchNorm statistics do not fit the weights of 1 training; mAP50-95 on val: distill/n-s/1.0/1: "
    )
    assert "45.1 % as stored, 68.3 % anew (e2e), 46.1 % as stored, 69.3 % anew (NMS)" in said
    assert f"**Warning:** {said}" in (finished / "benchmark.md").read_text()
    assert "1 of 3" in next(line for line in section(finished).splitlines() if "n-s dis 1.0" in line)
    measure_anew(NOISY, 0.2)
    [_, both] = report(list(SCORES)).warnings
    assert "the weights of 2 trainings; mAP50-95 on val: baseline/yolo26n/1: " in both
    assert ", distill/n-s/1.0/1: " in both


@pytest.mark.usefixtures("finished")
def test_the_noise_of_few_images_is_larger() -> None:
    """Twice the standard error of the checkpoint on these images."""
    measure_anew(NOISY, 0.05)
    assert len(report(list(SCORES)).warnings) == 2
    noise = np.random.default_rng(0).normal(0, 0.03, 200)
    places = (f"{split}/{head}/AP" for split in ("val", "test") for head in HEADS)
    save_resamples(dict.fromkeys(places, noise), NOISY.eval_dir / RESAMPLES_FILE)
    assert report(list(SCORES)).warnings == ["a note"]
    measure_anew(NOISY, 0.07)
    assert "on val: baseline/yolo26n/1: " in report(list(SCORES)).warnings[1]


def test_one_that_is_worse_anew_is_counted_and_no_fault(finished: Path) -> None:
    measure_anew(LOWER, -0.08)
    assert report(list(SCORES)).warnings == ["a note"]
    assert "1 of 3" in next(line for line in section(finished).splitlines() if "n-s dis 6 " in line)


def test_validations_of_before_say_nothing(reports: Path) -> None:
    assert report(list(SCORES)).warnings == ["a note"]
    assert SECTION not in (reports / "benchmark.md").read_text()
    assert ANEW_METRIC not in pd.read_csv(reports / "benchmark.csv")


def test_only_some_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both means are of the same checkpoints."""
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score)
    measure_anew(SPOILT, 0.2)
    assert len(report(list(SCORES)).warnings) == 2
    lines = [line for line in section(tmp_path / "reports").splitlines() if line.startswith("| n-s")]
    assert [line.split("|")[3:7] for line in lines] == [
        [" 45.1        ", " 65.1   ", " +20.0        ", " 1 of 1         "],
        [" 46.1        ", " 66.1   ", " +20.0        ", " 1 of 1         "],
    ]
