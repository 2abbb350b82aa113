"""What the report shows of trainings that must not be compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdpipe.page import figures
from kdpipe.report.read import load_content
from tests.reported import SCORES, finish, report, trained_otherwise

REFUSED = "not compared: batch 8 instead of 16"


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every cell of SCORES; the folder of the report."""
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score)
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
