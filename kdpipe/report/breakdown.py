"""Show where a gain comes from: object sizes, error types, classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from math import isnan, nan, sqrt
from statistics import fmean
from typing import NamedTuple

import numpy as np

from kdpipe.evaluation.ap import ERRORS, OVERALL
from kdpipe.models.names import HEADS
from kdpipe.report.comparisons import Seeds
from kdpipe.report.formatting import HEAD_NAMES, markdown, percent, signed, verbatim
from kdpipe.report.gains import ERROR, margin_at
from kdpipe.report.results import COCO, TIDE, PairAt, Results, Setting

HOW_TO_READ = """\
AP in %: over all IoU thresholds, at IoU 0.5 and 0.75, and of small, medium and large objects (area below
32², below 96², above); for keypoints, IoU means their similarity (OKS). The other columns say by error type
(TIDE) how much AP50 would rise without such errors: classification, localisation, both, duplicate,
background, missed; where this falls from baseline to distilled, the teacher helped."""
SIZES = {"APs": "small", "APm": "medium", "APl": "large"}
MOST_CHANGED = 3  # classes that are listed per column


def by_size_and_error(results: Results, seeds: Seeds) -> str:
    """Return AP by size and errors by type of baseline, distilled student and teacher, at the best `dis`.

    Baseline and distilled student are of the seeds that are compared.
    """
    columns = {f"{COCO}{name}": SIZES.get(name, name) for name in OVERALL}
    columns |= {f"{TIDE}{word}": word for word in ERRORS.values()}
    known = {metric: title for metric, title in columns.items() if metric in results.table}
    lines = []
    for item in results.best:
        for head in HEADS:
            compared = seeds.get((item.pair, item.dis, head), set())
            for setting in (item.baseline, item.distilled, *item.its_teachers):
                its = None if setting.kind == "teacher" else compared
                if compared and results.of(setting, results.split, head):
                    parts = {title: part_of(results, setting, head, name) for name, title in known.items()}
                    means = {title: percent(_mean(values, its)) for title, values in parts.items()}
                    lines.append({"model": str(setting), "head": HEAD_NAMES[head], **means})
    return markdown(lines)


def part_of(results: Results, setting: Setting, head: str, metric: str) -> dict[int, float]:
    """Return a metric by seed on the measured split; without the seeds that do not have it.

    Args:
        results: The results of all trainings.
        setting: What was trained.
        head: "e2e" or "nms".
        metric: Such as coco/APs.
    """
    lines = results.of(setting, results.split, head)
    return {int(line["seed"]): line[metric] for line in lines if not isnan(line.get(metric, nan))}


def _mean(values: Mapping[int, float], seeds: AbstractSet[int] | None) -> float:
    """Return the mean over these seeds, or all; NaN if there are none."""
    found = [value for seed, value in values.items() if seeds is None or seed in seeds]
    return fmean(found) if found else nan


def by_class(results: Results, seeds: Seeds) -> str:
    """Return the classes that gained most and least, per pair at its best `dis` and per head."""
    lines = []
    for item in results.best:
        for head in HEADS:
            gains = class_gains(results, item, head, seeds)
            change = sorted(gains.items(), key=lambda named: named[1].gain, reverse=True)
            count = min(MOST_CHANGED, len(change) // 2)
            if count:
                line = {"pair": item.pair, "dis": item.dis, "head": HEAD_NAMES[head]}
                line |= {"gained most": _named(change[:count]), "gained least": _named(change[-count:][::-1])}
                lines.append(line)
    return markdown(lines)


class Part(NamedTuple):
    """The gain of a part of the objects, as a fraction of 1, with its 95 % interval over seeds alone.

    `low` and `high` are None with one seed.
    """

    gain: float
    low: float | None
    high: float | None


def part_gain(before: Mapping[int, float], after: Mapping[int, float], seeds: AbstractSet[int]) -> Part:
    """Return the mean difference of values by seed, with Student's t over these seeds, which both have.

    Args:
        before: Of the baselines.
        after: Of the distilled students.
        seeds: At least one.
    """
    differences = np.array([after[seed] - before[seed] for seed in sorted(seeds)])
    mean, count = float(differences.mean()), len(differences)
    if count == 1:
        return Part(mean, None, None)
    error = float(differences.std(ddof=1)) / sqrt(count)
    margin = margin_at(1 - ERROR / 2, error, count - 1, 0.0)
    return Part(mean, mean - margin, mean + margin)


def class_gains(results: Results, item: PairAt, head: str, seeds: Seeds) -> dict[str, Part]:
    """Return the gain of each class in COCO AP, over the seeds that are compared; none if none are.

    Args:
        results: The results of all trainings.
        item: The pair and its `dis`.
        head: "e2e" or "nms".
        seeds: Those that are compared.
    """
    before, after = (results.class_ap(setting, head) for setting in (item.baseline, item.distilled))
    compared = seeds.get((item.pair, item.dis, head), set())
    common = (name for name in before if name in after and compared)
    gains = {name: part_gain(before[name], after[name], compared) for name in common}
    return {name: found for name, found in gains.items() if not isnan(found.gain)}


def _named(changes: Iterable[tuple[str, Part]]) -> str:
    return ", ".join(f"{verbatim(name)} {signed(found.gain)}" for name, found in changes)
