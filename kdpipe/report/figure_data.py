"""Compute the numbers behind the figures, one table per figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from statistics import fmean, median
from typing import Any

import pandas as pd

from kdpipe.cells.cell import PAIRED
from kdpipe.models.names import HEADS
from kdpipe.report.breakdown import SIZES, class_gains, part_gain, part_of
from kdpipe.report.comparisons import DISTILLED_BASELINE, Comparison, Seeds, seeds_of
from kdpipe.report.exports import export_rows
from kdpipe.report.planning import planned
from kdpipe.report.quantized import quantized_rows
from kdpipe.report.results import COCO, PairAt, Results, Setting
from kdpipe.report.selection import holm
from kdpipe.report.sequential import to_confirm

MOST_CURVES = 6  # arms per kind of training; more would hide each other
NETWORK = ("model", "imgsz", "head")  # what the time of inference depends on
Histories = Mapping[str, Sequence[Mapping[str, float]]]
Lines = list[dict[str, Any]]


def numbers(
    results: Results, comparisons: Sequence[Comparison], histories: Histories
) -> dict[str, pd.DataFrame]:
    """Return the tables by the name of their figure.

    AP is a fraction of 1; times are in the units that their columns name.

    Args:
        results: The results of all trainings.
        comparisons: All comparisons of these results.
        histories: Losses and metrics of trainings by id, a row per epoch.
    """
    found = [comparison for comparison in comparisons if comparison.kind == DISTILLED_BASELINE]
    seeds = seeds_of(comparisons)
    exported = export_rows(results, comparisons)
    lines: dict[str, pd.DataFrame | Lines] = {
        "gains": gain_rows(results, found),
        "seeds": _seeds(found),
        "latency": _latency(results),
        "costs": costs(results, seeds),
        "classes": _classes(results, seeds),
        "sizes": _sizes(results, seeds),
        "exports": exported,
        "quantized": quantized_rows(results, exported),
        "curves": [{"cell": cell, **row} for cell, rows in histories.items() for row in rows],
    }
    return {name: pd.DataFrame(of_one) for name, of_one in lines.items()}


def costs(results: Results, seeds: Seeds) -> Lines:
    """Return a row per pair and `dis`: what distilling costs, and the size of the saved students.

    Time and memory are multiples of the baseline's, from medians over the seeds that are compared, so that
    one seed on a busy machine does not move them. Sizes are means over them.
    """
    lines: Lines = []
    for item in results.pairs:
        compared = set().union(*(seeds.get((item.pair, item.dis, head), ()) for head in HEADS))
        if not compared:
            continue
        alone, taught = (
            [line for line in results.cells(setting) if int(line["seed"]) in compared]
            for setting in (item.baseline, item.distilled)
        )
        line: dict[str, Any] = {"pair": item.pair, "dis": item.dis}
        for name, column in (("time", "seconds"), ("memory", "peak_memory_mib")):
            before, after = (median(cell[column] for cell in cells) for cells in (alone, taught))
            line[name] = after / before if before else nan
        for name in ("parameters", "gflops", "file_bytes"):
            for whose, cells in (("baseline", alone), ("distilled", taught)):
                line[f"{whose} {name}"] = fmean(cell[name] for cell in cells)
        lines.append(line)
    return lines


def gain_rows(results: Results, found: Sequence[Comparison]) -> pd.DataFrame:
    """Return a row per pair, `dis` and head; `primary` is true for those that decide.

    `p` is two-sided; `holm` is that of the primary rows, adjusted for their number; both are None where
    nothing can be compared. What a comparison could have detected, and how many seeds in all would detect the
    smallest gain worth having and the gain seen, is of `kdpipe.report.planning`; `new seeds for` is the same
    of the seeds of `kdpipe confirm`. `minutes` is what another seed takes.
    """
    items = {(item.pair, item.dis): item for item in results.pairs}
    lines: Lines = []
    for one in found:
        item = items[str(one.pair), str(one.dis)]
        gain = vars(one.gain) if one.gain else {}
        best = item in results.best
        lines.append(
            {
                "pair": item.pair,
                "student": item.student,
                "teacher": item.teacher,
                "dis": item.dis,
                "best": best,
                "head": one.head,
                "baseline": one.before_summary.mean,
                "baseline sd": one.before_summary.sd,
                "distilled": one.after_summary.mean,
                "distilled sd": one.after_summary.sd,
                "gain": gain.get("mean"),
                **{name: gain.get(name) for name in ("low", "high", "probability")},
                "verdict": one.verdict,
                "tried": one.tried,
                "primary": best and one.head == results.primary_head(item),
                "seeds": len(one.gain.per_seed) if one.gain else 0,
                "lowest seed": min(one.gain.per_seed.values()) if one.gain else None,
                "highest seed": max(one.gain.per_seed.values()) if one.gain else None,
                "p": one.gain.p if one.gain else None,
                "holm": None,
                **planned(one.gain, one.smallest, one.error),
                **{f"new {name}": value for name, value in to_confirm(one.gain, one.smallest).items()},
                "minutes": sum(_mean_seconds(results, setting) for setting in _per_seed(item)) / 60,
            }
        )
    primary = [line for line in lines if line["primary"] and line["p"] is not None]
    for line, p in zip(primary, holm([line["p"] for line in primary]), strict=True):
        line["holm"] = p
    return pd.DataFrame(lines)


def _per_seed(item: PairAt) -> list[Setting]:
    """What another seed trains."""
    return [item.baseline, item.distilled, *(its for its in item.its_teachers if its.kind == PAIRED)]


def _mean_seconds(results: Results, setting: Setting) -> float:
    return fmean(cell["seconds"] for cell in results.cells(setting))


def _seeds(found: Sequence[Comparison]) -> Lines:
    return [
        {
            "pair": one.pair,
            "dis": one.dis,
            "head": one.head,
            "seed": seed,
            "baseline": one.before_summary.per_seed[seed],
            "distilled": one.after_summary.per_seed[seed],
            "gain": gain,
        }
        for one in found
        if one.gain
        for seed, gain in one.gain.per_seed.items()
    ]


def _latency(results: Results) -> Lines:
    """Return a row per setting and head; `front` is true if no other one is both faster and better.

    Inference takes what the architecture takes: with or without a teacher, a student is the same network.
    Postprocessing depends on how many boxes a model finds.
    """
    measured = results.lines(split=results.split)
    inference = measured.groupby(list(NETWORK))["ms/inference"].median()
    after = measured.set_index(["cell", "head"])["ms/postprocess"]
    lines: Lines = []
    for setting in results.settings:
        for head in HEADS:
            if of_one := results.of(setting, results.split, head):
                ms = inference[tuple(of_one[0][name] for name in NETWORK)]
                ms += median(after[line["cell"], head] for line in of_one)
                ap = fmean(line[results.question.column] for line in of_one)
                lines.append({"model": str(setting), "kind": setting.kind, "head": head, "ms": ms, "AP": ap})
    best = 0.0
    for line in sorted(lines, key=lambda line: (line["ms"], -line["AP"])):
        line["front"] = line["AP"] > best
        best = max(best, line["AP"])
    return lines


def _classes(results: Results, seeds: Seeds) -> Lines:
    """Return the gain of every class, at the best `dis` of each pair."""
    return [
        {"pair": item.pair, "dis": item.dis, "head": head, "class": name, **found._asdict()}
        for item in results.best
        for head in HEADS
        for name, found in class_gains(results, item, head, seeds).items()
    ]


def _sizes(results: Results, seeds: Seeds) -> Lines:
    """Return AP of small, medium and large objects at the best `dis` of each pair, means over its seeds."""
    lines: Lines = []
    for item in results.best:
        for head in HEADS:
            for name, size in SIZES.items():
                before, after = (
                    part_of(results, setting, head, f"{COCO}{name}")
                    for setting in (item.baseline, item.distilled)
                )
                compared = seeds.get((item.pair, item.dis, head), set()) & before.keys() & after.keys()
                if compared:
                    line: dict[str, Any] = {"pair": item.pair, "dis": item.dis, "head": head, "size": size}
                    for whose, values in (("baseline", before), ("distilled", after)):
                        line[whose] = fmean(values[seed] for seed in compared)
                    lines.append(line | part_gain(before, after, compared)._asdict())
    return lines
