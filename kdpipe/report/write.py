"""Write the report: tables, metrics, and the numbers behind the figures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path

import pandas as pd

from kdpipe.errors import counted
from kdpipe.report import exports, tables
from kdpipe.report.answer import answers, superseded
from kdpipe.report.batch_statistics import checkpoints, misfits
from kdpipe.report.comparisons import (
    DISTILLED_BASELINE,
    Comparison,
    at_looks,
    compare,
    nothing_learned,
    weak_teachers,
)
from kdpipe.report.figure_data import Histories, gain_rows, numbers
from kdpipe.report.gains import Gain
from kdpipe.report.results import PairAt, Results, number

REPORTS_DIR = Path("reports")
NUMBERS_DIR, PLOTS_DIR, PAGE_FILE = "numbers", "plots", "index.html"  # in REPORTS_DIR


@dataclass(frozen=True)
class Report:
    """The content of the report: `gains` has a row per pair, `dis` and head, `answers` an item per pair."""

    comparisons: list[Comparison]
    gains: pd.DataFrame
    answers: list[str]
    warnings: list[str]


def write_report(
    results: Results,
    histories: Histories,
    unlike: Mapping[str, str],
    notes: Sequence[str],
    out: Path = REPORTS_DIR,
    *,
    images: int,
    confirmed: Results | None = None,
) -> Report:
    """Write tables, metrics, and the numbers behind the figures.

    Args:
        results: The results of all trainings of the sweep.
        histories: Losses and metrics of trainings by id, a row per epoch.
        unlike: Why a distilled training must not be compared with its baseline, by training id.
        notes: Warnings of earlier stages, which the report repeats.
        out: The folder to write to.
        images: Number of images of the measured split.
        confirmed: The results of the seeds of `kdpipe confirm`, if there are any.
    """
    comparisons = compare(results, unlike)
    refused = [f"{cell} is not compared: {reason}" for cell, reason in unlike.items()]
    measured = [one for found in (results, confirmed) if found for one in checkpoints(found)]
    spoilt = misfits(list(dict.fromkeys(measured)), results.choice_split)  # teachers are in both
    (out / NUMBERS_DIR).mkdir(parents=True, exist_ok=True)
    figure_data = numbers(results, comparisons, histories)
    gains = figure_data["gains"]
    new = gain_rows(confirmed, at_looks(confirmed, unlike)) if confirmed else pd.DataFrame()
    warnings = [*notes, *refused, *weak_teachers(comparisons), *nothing_learned(comparisons), *spoilt]
    warnings += superseded(gains, new)
    measured_on = counted(images, f"{results.split} image")
    said = answers(gains, new, results.question, measured_on)
    said += exports.answers(figure_data["exports"])
    text = tables.benchmark(results, comparisons, figure_data, new, answers=said, notes=warnings)
    (out / "benchmark.md").write_text(text, encoding="utf-8")
    results.table.to_csv(out / "benchmark.csv", index=False)
    (out / "benchmark.json").write_text(
        _lines(_benchmark(results, comparisons, said, warnings, images)), encoding="utf-8"
    )
    headlines = json.dumps(_headlines(results.best, comparisons), indent=2)
    (out / "metrics.json").write_text(headlines + "\n", encoding="utf-8")
    for name, table in {**figure_data, "confirmed": new}.items():
        table.to_csv(out / NUMBERS_DIR / f"{name}.csv", index=False)
    return Report(comparisons, gains, said, warnings)


def _benchmark(
    results: Results,
    comparisons: Sequence[Comparison],
    said: Sequence[str],
    warnings: Sequence[str],
    images: int,
) -> dict[str, object]:
    return {
        "answers": list(said),
        "label": results.question.label,
        "metric": results.task.metric,
        "chosen_on": results.choice_split,
        "measured_on": results.split,
        "images": images,
        "best": [asdict(item) for item in results.best],
        "comparisons": [comparison.as_dict() for comparison in comparisons],
        "warnings": list(warnings),
    }


def _headlines(items: Sequence[PairAt], comparisons: Sequence[Comparison]) -> dict[str, object]:
    """Return a few numbers per pair only: `dvc exp show` has a column for each.

    They are points, rounded as in the table: `dvc metrics diff` shows no difference that the table does not.
    """
    heads: dict[tuple[str | None, str | None], dict[str, object]] = defaultdict(dict)
    for found in comparisons:
        if found.kind == DISTILLED_BASELINE:
            heads[found.pair, found.dis][found.head] = {
                "baseline": _points(found.before_summary.mean),
                "distilled": _points(found.after_summary.mean),
                **_gain(found.gain),
            }
    return {
        item.pair: {"dis": None if isnan(dis := number(item.dis)) else dis, **heads[item.pair, item.dis]}
        for item in items
    }


def _gain(gain: Gain | None) -> dict[str, float | None]:
    if gain is None:
        return {"gain": None}
    p = None if gain.p is None else round(gain.p, 3)
    return {"gain": _points(gain.mean), "low": _points(gain.low), "high": _points(gain.high), "P": p}


def _points(share: float | None) -> float | None:
    """A fraction of 1 in points, as the table shows it; None if it is unknown."""
    return None if share is None else round(100 * share, 1) + 0.0  # no -0.0


def _lines(content: Mapping[str, object]) -> str:
    """Return JSON with a line per list item: for thousands of items much faster than indenting."""
    parts = (f"{json.dumps(name)}: {_items(value)}" for name, value in content.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _items(value: object) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]"
