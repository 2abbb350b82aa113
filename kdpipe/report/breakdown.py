"""Show where a gain comes from: object sizes, error types, classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan, sqrt
from typing import NamedTuple

import numpy as np

from kdpipe.evaluation.ap import ERRORS, OVERALL
from kdpipe.models.names import HEADS
from kdpipe.report.formatting import HEAD_NAMES, markdown, percent, signed, verbatim
from kdpipe.report.gains import ERROR, margin_at
from kdpipe.report.results import PairAt, Results

HOW_TO_READ = """\
AP in %: over all IoU thresholds, at IoU 0.5 and 0.75, and of small, medium and large objects (area below
32², below 96², above); for keypoints, IoU means their similarity (OKS). The other columns say by error type
(TIDE) how much AP50 would rise without such errors: classification, localisation, both, duplicate,
background, missed; where this falls from baseline to distilled, the teacher helped."""
SIZES = {"APs": "small", "APm": "medium", "APl": "large"}
MOST_CHANGED = 3  # classes that are listed per column


def by_size_and_error(results: Results) -> str:
    """Return AP by size and errors by type of baseline, distilled student and teacher, at the best `dis`."""
    columns = {f"coco/{name}": SIZES.get(name, name) for name in OVERALL}
    columns |= {f"error/{word}": word for word in ERRORS.values()}
    lines = []
    for item in results.best:
        for head in HEADS:
            for setting in (item.baseline, item.distilled, *item.its_teachers):
                if found := results.mean(setting, head):
                    means = {c: percent(found[k]) for k, c in columns.items() if k in found}
                    lines.append({"model": str(setting), "head": HEAD_NAMES[head], **means})
    return markdown(lines)


def by_class(results: Results) -> str:
    """Return the classes that gained most and least, per pair at its best `dis` and per head."""
    lines = []
    for item in results.best:
        for head in HEADS:
            gains = class_gains(results, item, head)
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


def part_gain(before: Mapping[int, float], after: Mapping[int, float]) -> Part:
    """Return the mean difference of values by seed, with Student's t over the common seeds, at least one."""
    differences = np.array([after[seed] - before[seed] for seed in before if seed in after])
    mean, count = float(differences.mean()), len(differences)
    if count == 1:
        return Part(mean, None, None)
    error = float(differences.std(ddof=1)) / sqrt(count)
    margin = margin_at(1 - ERROR / 2, error, count - 1, 0.0)
    return Part(mean, mean - margin, mean + margin)


def class_gains(results: Results, item: PairAt, head: str) -> dict[str, Part]:
    """Return the gain of each class in COCO AP.

    Args:
        results: The results of all trainings.
        item: The pair and its `dis`.
        head: "e2e" or "nms".
    """
    before, after = (results.class_ap(setting, head) for setting in (item.baseline, item.distilled))
    common = (name for name in before if name in after and before[name].keys() & after[name].keys())
    gains = {name: part_gain(before[name], after[name]) for name in common}
    return {name: found for name, found in gains.items() if not isnan(found.gain)}


def _named(changes: Iterable[tuple[str, Part]]) -> str:
    return ", ".join(f"{verbatim(name)} {signed(found.gain)}" for name, found in changes)
