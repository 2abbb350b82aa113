"""The benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kdpipe.report.benchmark import Row, best_rows
from kdpipe.report.results import METRIC
from kdpipe.stats import Gain, Summary
from kdpipe.zoo import HEADS

HOW_TO_READ = """\
mAP50-95 in %, as Ultralytics computes it, on the **{split}** split; mean ± standard deviation over
{seeds}. *e2e* is the NMS-free head, *NMS* the classical one. Gain: mean difference
distilled − baseline, seed by seed, with its 95 % interval (Student's t over seeds) in brackets;
"within noise" where the interval holds 0. Each training keeps its best epoch on val, by the head that
`train.nms` says (by default the classical one)."""
CHOICE = (
    "The best `dis` is chosen on the same images that measure it, so its row flatters a little; "
    "the table over every `dis` does not."
)


def headline(rows: list[Row]) -> str:
    """A line per pair at its best `dis`, with the columns of the published tables."""
    lines = []
    for row in best_rows(rows):
        line = {
            "student": row.student,
            "teacher": row.teacher,
            "best dis": row.dis,
            "size (px)": row.imgsz,
        }
        for head, label in (("nms", METRIC), ("e2e", f"{METRIC} e2e")):
            comparison = row.heads.get(head)
            line[f"{label} baseline"] = spread(comparison.baseline) if comparison else ""
            line[f"{label} distilled"] = spread(comparison.distilled) if comparison else ""
        lines.append(line)
    return markdown(lines)


def over_dis(rows: list[Row]) -> str:
    """A line per pair, `dis` and head."""
    return markdown(
        [
            {
                "pair": row.pair,
                "head": "NMS" if head == "nms" else head,
                "dis": row.dis,
                "baseline": spread(row.heads[head].baseline),
                "distilled": spread(row.heads[head].distilled),
                "gain": gain(row.heads[head].gain),
                "verdict": row.heads[head].gain.verdict,
            }
            for head in HEADS
            for row in rows
            if head in row.heads
        ]
    )


def teachers(results: pd.DataFrame) -> str:
    """A line per teacher, both heads."""
    chosen = results[results["kind"] == "teacher"]
    lines = []
    for cell, found in chosen.groupby("cell", sort=False):
        scores = dict(zip(found["head"], found[METRIC], strict=True))
        lines.append(
            {
                "teacher": str(cell).split("/", 1)[1],
                "params (M)": f"{found.iloc[0]['parameters'] / 1e6:.1f}",
                METRIC: percent(scores["nms"]),
                f"{METRIC} e2e": percent(scores["e2e"]) if "e2e" in scores else "",
            }
        )
    return markdown(lines)


def benchmark(results: pd.DataFrame, rows: list[Row], split: str, notes: list[str]) -> str:
    """The whole of benchmark.md."""
    count = results.loc[results["kind"] == "baseline", "seed"].nunique()
    seeds = "1 seed" if count == 1 else f"{count} seeds"
    parts = ["# Benchmark", HOW_TO_READ.format(split=split, seeds=seeds)]
    parts += ["\n".join(f"> **Warning:** {note}" for note in notes)] if notes else []
    parts += ["## Students at their best `dis`", headline(rows), CHOICE]
    parts += ["## Every `dis`", over_dis(rows), "## Teachers", teachers(results)]
    return "\n\n".join(parts) + "\n"


def markdown(lines: Sequence[Mapping[str, object]]) -> str:
    """Lines of the same columns as a Markdown table."""
    return pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True)


def percent(value: float) -> str:
    """A share of one as in published tables: in %, one decimal."""
    return f"{100 * value:.1f}"


def spread(summary: Summary) -> str:
    """Mean ± standard deviation, in %."""
    return percent(summary.mean) + (f" ± {percent(summary.sd)}" if summary.sd is not None else "")


def gain(found: Gain) -> str:
    """A gain and its interval, in %."""
    text = f"{100 * found.mean:+.1f}"
    if found.low is None or found.high is None:
        return text
    return f"{text} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
