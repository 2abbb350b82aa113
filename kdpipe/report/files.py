"""Write the reports folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path

import pandas as pd

from kdpipe.curves import save_curves
from kdpipe.report import plots, tables
from kdpipe.report.benchmark import (
    DISTILLED_BASELINE,
    Comparison,
    compare,
    weak_teachers,
)
from kdpipe.report.origins import class_gains
from kdpipe.report.results import METRIC, PairAt, Results, number
from kdpipe.zoo import HEADS

REPORTS_DIR = Path("reports")
Histories = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Report:
    """What was reported."""

    comparisons: list[Comparison]
    warnings: list[str]


def write_report(
    results: Results,
    histories: Histories,
    unlike: Mapping[str, str],
    notes: Sequence[str],
    out: Path = REPORTS_DIR,
) -> Report:
    """Write tables, plots and metrics to `out`.

    `unlike` says of distilled cells why they must not be compared with their baseline; `notes` are
    warnings from earlier stages, which the report repeats.
    """
    comparisons = compare(results, unlike)
    refused = [f"{cell} is not compared: {reason}" for cell, reason in unlike.items()]
    warnings = [*notes, *refused, *weak_teachers(comparisons)]
    (out / "plots").mkdir(parents=True, exist_ok=True)
    (out / "benchmark.md").write_text(tables.benchmark(results, comparisons, warnings))
    results.table.to_csv(out / "benchmark.csv", index=False)
    _class_table(results).to_csv(out / "classes.csv", index=False)
    (out / "benchmark.json").write_text(_lines(_benchmark(results, comparisons, warnings)))
    headlines = json.dumps(_headlines(results.best, comparisons), indent=2)
    (out / "metrics.json").write_text(headlines + "\n")
    plots.save_dis(comparisons, results.task.metric, out / "plots/dis.png")
    plots.save_gains(comparisons, results.best, results.task.metric, out / "plots/gain.png")
    save_curves(histories, out / "plots/curves.png")
    plots.dis_table(comparisons).to_csv(out / "plots/dis.csv", index=False)
    _curves_table(histories).to_csv(out / "plots/curves.csv", index=False)
    return Report(comparisons, warnings)


def _benchmark(
    results: Results, comparisons: Sequence[Comparison], warnings: Sequence[str]
) -> dict[str, object]:
    return {
        "metric": METRIC,
        "chosen_on": results.choice_split,
        "measured_on": results.split,
        "best": [asdict(item) for item in results.best],
        "comparisons": [comparison.as_dict() for comparison in comparisons],
        "warnings": list(warnings),
    }


def _headlines(items: Sequence[PairAt], comparisons: Sequence[Comparison]) -> dict[str, object]:
    """Few numbers for each pair, because `dvc exp show` has a column for each."""
    heads: dict[tuple[str | None, str | None], dict[str, object]] = defaultdict(dict)
    for found in comparisons:
        if found.kind == DISTILLED_BASELINE:
            heads[found.pair, found.dis][found.head] = {
                "baseline": round(found.before_summary.mean, 4),
                "distilled": round(found.after_summary.mean, 4),
                "gain": None if found.gain is None else round(found.gain.mean, 4),
            }
    return {
        item.pair: {"dis": None if isnan(dis := number(item.dis)) else dis, **heads[item.pair, item.dis]}
        for item in items
    }


def _class_table(results: Results) -> pd.DataFrame:
    """The gain of every class, at the best `dis` of each pair."""
    return pd.DataFrame(
        [
            {"pair": item.pair, "dis": item.dis, "head": head, "class": name, "gain": value}
            for item in results.best
            for head in HEADS
            for name, value in class_gains(results, item, head).items()
        ]
    )


def _curves_table(histories: Histories) -> pd.DataFrame:
    return pd.DataFrame([{"cell": cell, **row} for cell, rows in histories.items() for row in rows])


def _lines(content: Mapping[str, object]) -> str:
    """JSON with a line per item of a list: of thousands, in a fraction of the time that indenting takes."""
    parts = (f"{json.dumps(name)}: {_items(value)}" for name, value in content.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _items(value: object) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]"
