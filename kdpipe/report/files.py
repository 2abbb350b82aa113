"""Write the reports folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kdpipe.curves import save_curves
from kdpipe.report import plots, tables
from kdpipe.report.benchmark import Row, best_rows, compare, weak_teachers
from kdpipe.report.results import tidy

REPORTS_DIR = Path("reports")
Histories = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Report:
    """What was reported."""

    rows: list[Row]
    warnings: list[str]


def write_report(
    runs: pd.DataFrame, histories: Histories, split: str, notes: list[str], out: Path = REPORTS_DIR
) -> Report:
    """Write tables, plots and metrics of these runs to `out`.

    `notes` are warnings from earlier stages, which the report repeats.
    """
    results = tidy(runs, split)
    rows = compare(results)
    warnings = [*notes, *weak_teachers(results, rows)]
    (out / "plots").mkdir(parents=True, exist_ok=True)
    (out / "benchmark.md").write_text(tables.benchmark(results, rows, split, warnings))
    results.to_csv(out / "benchmark.csv", index=False)
    _write_json(out / "benchmark.json", _benchmark(results, rows, split, warnings))
    _write_json(out / "metrics.json", {row.pair: _headline(row) for row in best_rows(rows)})
    plots.save_dis(rows, out / "plots/dis.png")
    plots.save_gains(rows, out / "plots/gain.png")
    save_curves(histories, out / "plots/curves.png")
    plots.dis_table(rows).to_csv(out / "plots/dis.csv", index=False)
    _curves_table(histories).to_csv(out / "plots/curves.csv", index=False)
    return Report(rows, warnings)


def _benchmark(results: pd.DataFrame, rows: list[Row], split: str, warnings: list[str]) -> dict[str, object]:
    return {
        "split": split,
        "best": [row.as_dict() for row in best_rows(rows)],
        "every_dis": [row.as_dict() for row in rows],
        "cells": results.astype(object).where(results.notna(), None).to_dict("records"),
        "warnings": warnings,
    }


def _headline(row: Row) -> dict[str, object]:
    """Few numbers, because `dvc exp show` has a column for each."""
    heads = {
        head: {
            "baseline": round(found.baseline.mean, 4),
            "distilled": round(found.distilled.mean, 4),
            "gain": round(found.gain.mean, 4),
        }
        for head, found in row.heads.items()
    }
    return {"dis": float(row.dis), **heads}


def _curves_table(histories: Histories) -> pd.DataFrame:
    return pd.DataFrame([{"cell": cell, **row} for cell, rows in histories.items() for row in rows])


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
