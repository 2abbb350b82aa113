"""What exporting costs, and what becomes of the gain in exported files."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import pandas as pd

from kdpipe.cells.exported import LATENCY, SIZE
from kdpipe.models.names import HEADS
from kdpipe.report.comparisons import DISTILLED_BASELINE, Comparison
from kdpipe.report.formatting import HEAD_NAMES, gain_of, markdown, percent
from kdpipe.report.gains import (
    BETTER,
    NO_GAIN,
    ONE_SEED,
    WORSE,
    Gain,
    Measurement,
    paired_gain,
    summarise,
)
from kdpipe.report.results import Files, PairAt, Results, Setting
from kdpipe.report.selection import paid_for

CHECKPOINT = ".pt"
HOW_TO_READ = """\
The students of each pair at its best `dis` and their baselines, exported, each head on purpose, and measured
on the same images. A *cost* is AP in the format less that of the checkpoint, *of the gain* what the format
adds to the gain or takes from it. A checkpoint is validated on rectangles, as Ultralytics does, an exported
file on squares of one size. *ms* is one image at a time in the format's own runtime, the median over seeds
with its quartiles, without preprocessing and NMS."""

By_seed = Mapping[int, Measurement]


def export_rows(results: Results, comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return a row per format, head and pair at its best `dis`, after that of the checkpoints.

    AP, costs and gains are fractions of 1. `change` is the gain in the format less that of the checkpoints.
    """
    compared = {(c.pair, c.dis, c.head): c for c in comparisons if c.kind == DISTILLED_BASELINE}
    rows: list[dict[str, Any]] = []
    for item in results.best if results.exported else ():
        for head in HEADS:
            one = compared.get((item.pair, item.dis, head))
            if one is None or one.gain is None:
                continue
            others = [c.gain for c in compared.values() if c.pair == item.pair and c.head == head and c.gain]
            rows.append(_checkpoints(results, item, one))
            for name, files in results.exported.items():
                if row := _row(results, item, one, others, files):
                    rows.append({"format": name, **row})
    return rows


def table(rows: pd.DataFrame, skipped: Mapping[str, str]) -> str:
    """Format the rows; below them, which formats were skipped and why."""
    lines = []
    for line in rows.to_dict("records"):
        exported = line["format"] != CHECKPOINT
        found = {"pair": line["pair"], "head": HEAD_NAMES[line["head"]], "format": line["format"]}
        found |= {name: percent(line[name]) for name in ("baseline", "distilled")}
        for name in ("baseline", "distilled", "change"):
            title = "of the gain" if name == "change" else f"cost, {name}"
            found[title] = (
                _interval(line, "change" if name == "change" else f"cost {name}") if exported else ""
            )
        found |= {"gain": gain_of(line["gain"], line["low"], line["high"]), "verdict": line["verdict"]}
        found["ms"] = _milliseconds(line) if exported else ""
        lines.append(found | {"MB": f"{line[SIZE] / 1e6:.1f}"})
    left_out = [f"- `{name}` was skipped: {reason}." for name, reason in skipped.items()]
    return "\n\n".join(filter(None, (markdown(lines), "\n".join(left_out))))


def answers(rows: pd.DataFrame) -> list[str]:
    """Say in a sentence per pair and format, on the primary head, what became of the gain."""
    primary = [line for line in rows.to_dict("records") if line["primary"]]
    before = {line["pair"]: line for line in primary if line["format"] == CHECKPOINT}
    return [_answer(line, before[line["pair"]]) for line in primary if line["format"] != CHECKPOINT]


def _answer(line: Mapping[Hashable, Any], before: Mapping[Hashable, Any]) -> str:
    had, has = (gain_of(one["gain"], one["low"], one["high"]) for one in (before, line))
    where = f"{line['pair']}, {HEAD_NAMES[line['head']]} head"
    if not str(before["verdict"]).startswith(BETTER):
        return f"No sure gain to keep in {line['format']} ({where}): {had} before, {has} after."
    change, name = _interval(line, "change"), f"{line['format']} ({where})"
    verdict = str(line["verdict"])
    if verdict.startswith(BETTER):
        word = f"survives {name}"
    elif verdict.startswith((WORSE, NO_GAIN)):
        word = f"does not survive {name}"
    else:  # a smaller gain is no evidence that none is left
        word = f"is not sure any more in {name}"
    one_seed = ONE_SEED if verdict.endswith(ONE_SEED) else ""
    return f"The gain of {had} {word}: {has}, a change of {change} points{one_seed}."


def _checkpoints(results: Results, item: PairAt, one: Comparison) -> dict[str, Any]:
    """The row of what was exported."""
    assert one.gain is not None, "rows are of compared pairs"
    row = {"format": CHECKPOINT, **_place(results, item, one)}
    row |= {"baseline": one.before_summary.mean, "distilled": one.after_summary.mean}
    its = results.cells(item.distilled)
    sizes = [float(line[SIZE]) for line in its if int(line["seed"]) in one.gain.per_seed]
    return row | gain_row(one.gain, one.smallest) | {SIZE: median(sizes)}


def _row(
    results: Results, item: PairAt, one: Comparison, others: Sequence[Gain], files: Mapping[str, Files]
) -> dict[str, Any] | None:
    """The row of a format; None if it does not have the head."""
    before, after = (measured(results, files, of, one.head) for of in (item.baseline, item.distilled))
    assert one.gain is not None, "rows are of compared pairs"
    seeds = one.gain.per_seed.keys() & before.keys() & after.keys()
    if not seeds:
        return None
    before, after = ({seed: of[seed] for seed in sorted(seeds)} for of in (before, after))
    old_before, old_after = (results.measured(of, one.head) for of in (item.baseline, item.distilled))
    gain = paid_for(paired_gain(before, after), others, one.tried)
    changed = paired_gain(_differences(old_before, old_after), _differences(before, after))
    row = _place(results, item, one)
    row |= {"baseline": summarise(before).mean, "distilled": summarise(after).mean}
    for name, old, new in (("baseline", old_before, before), ("distilled", old_after, after)):
        row |= _named(f"cost {name}", paired_gain(old, new))
    row |= _named("change", changed) | gain_row(gain, one.smallest)
    cells = [line["cell"] for line in _lines(results, item) if int(line["seed"]) in seeds]
    details = [files[cell].details(results.split, one.head) for cell in cells]
    return row | {name: median(one[name] for one in details) for name in (*LATENCY, SIZE)}


def _place(results: Results, item: PairAt, one: Comparison) -> dict[str, Any]:
    primary = one.head == results.primary_head(item)
    return {"pair": item.pair, "dis": item.dis, "head": one.head, "primary": primary}


def _lines(results: Results, item: PairAt) -> Iterator[Mapping[Hashable, Any]]:
    yield from results.cells(item.baseline)
    yield from results.cells(item.distilled)


def measured(
    results: Results, files: Mapping[str, Files], setting: Setting, head: str
) -> dict[int, Measurement]:
    """Return the metric of a setting's exported files by seed; empty if they do not have the head.

    Args:
        results: What the runs say.
        files: The results of a format by training; it may not hold all of them.
        setting: The setting.
        head: The head.
    """
    question, found = results.question, {}
    for line in results.cells(setting):
        file = files.get(line["cell"])
        if file and head in file.metrics[results.split]:
            value = file.details(results.split, head)[question.column]
            deviations = file.deviations(results.split, head, question.metric)
            found[int(line["seed"])] = Measurement(value, deviations)
    return found


def _differences(before: By_seed, after: By_seed) -> dict[int, Measurement]:
    """What distilling changed, by seed, as a measurement of its own."""
    return {
        seed: Measurement(
            after[seed].value - before[seed].value, after[seed].deviations - before[seed].deviations
        )
        for seed in before.keys() & after.keys()
    }


def gain_row(gain: Gain, smallest: float) -> dict[str, Any]:
    """Return a gain with its interval and its verdict, as columns of a row."""
    ends = {"gain": gain.mean, "low": gain.low, "high": gain.high, "p": gain.p}
    return {**ends, "verdict": gain.verdict(smallest)}


def _named(name: str, gain: Gain) -> dict[str, float | None]:
    return {name: gain.mean, f"{name} low": gain.low, f"{name} high": gain.high}


def _interval(line: Mapping[Hashable, Any], name: str) -> str:
    return gain_of(line[name], line[f"{name} low"], line[f"{name} high"])


def _milliseconds(line: Mapping[Hashable, Any]) -> str:
    low, middle, high = (line[name] for name in LATENCY)
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"
