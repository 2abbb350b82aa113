"""The benchmark as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdpipe.report.benchmark import DISTILLED_BASELINE, Comparison
from kdpipe.report.formats import HEAD_NAMES
from kdpipe.report.results import PairAt, number
from kdpipe.zoo import HEADS

MOST_PAIRS, PANELS_IN_A_ROW = 12, 4  # the table has them all
COLOURS = {"e2e": "tab:blue", "nms": "tab:orange"}


def save_dis(comparisons: Sequence[Comparison], metric: str, path: Path) -> None:
    """mAP50-95 (of this metric) over `dis`: mean and spread of both heads, baselines as bands."""
    gains, left_out = _pictured(comparisons)
    pairs = list(dict.fromkeys(str(found.pair) for found in gains))
    columns = min(len(pairs), PANELS_IN_A_ROW) or 1
    rows = -(-len(pairs) // columns) or 1
    figure = Figure(figsize=(max(6.4, 4.8 * columns), 4.8 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, pair in zip(panels, pairs, strict=False):
        for head in HEADS:
            _dis_line(axes, [found for found in gains if (found.pair, found.head) == (pair, head)], head)
        axes.set(title=pair, xlabel="dis (weight of the distillation loss)")
        axes.grid(alpha=0.3)
    for axes in panels[len(pairs) :]:
        axes.remove()
    figure.suptitle(f"mean and standard deviation over seeds{left_out}", fontsize="medium")
    for axes in panels[::columns]:
        axes.set_ylabel(f"mAP50-95 ({metric}), %")
    panels[0].legend()
    figure.savefig(path, dpi=110)


def save_gains(comparisons: Sequence[Comparison], chosen: Sequence[PairAt], metric: str, path: Path) -> None:
    """Gain of every pair and `dis`, with its 95 % interval."""
    gains, left_out = _pictured(comparisons)
    rows = list(dict.fromkeys((found.pair, found.dis) for found in gains))
    figure = Figure(figsize=(7.5, 1.4 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for offset, head in enumerate(HEADS):
        found = [(rows.index((c.pair, c.dis)), c.gain) for c in gains if c.head == head and c.gain]
        if found:
            means = np.array([100 * gain.mean for _, gain in found])
            places = [place + (offset - 0.5) * 0.3 for place, _ in found]
            reach = [0.0 if gain.high is None else 100 * (gain.high - gain.mean) for _, gain in found]
            colour, name = COLOURS[head], HEAD_NAMES[head]
            axes.errorbar(means, places, xerr=reach, fmt="o", color=colour, label=name, capsize=4)
    axes.axvline(0, color="black", linewidth=0.8)
    best = {(item.pair, item.dis) for item in chosen}
    axes.set_yticks(
        range(len(rows)), [f"{row[0]}  dis {row[1]}{'  (best)' if row in best else ''}" for row in rows]
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(f"gain in mAP50-95 ({metric}), % points, with 95 % interval{left_out}")
    axes.grid(alpha=0.3, axis="x")
    axes.legend(loc="best")
    figure.savefig(path, dpi=110)


def dis_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """The data behind the plot over `dis`, a line per pair and `dis`, for `dvc plots`."""
    lines: dict[tuple[str | None, str | None], dict[str, object]] = {}
    for found in _gains(comparisons):
        line = lines.setdefault((found.pair, found.dis), {"pair": found.pair, "dis": number(found.dis)})
        line |= {found.head: found.after_summary.mean, f"{found.head} baseline": found.before_summary.mean}
    return pd.DataFrame(list(lines.values()))


def _pictured(comparisons: Sequence[Comparison]) -> tuple[list[Comparison], str]:
    """The gains of as many pairs as a picture holds, and a remark on those that it leaves out."""
    gains = _gains(comparisons)
    pairs = list(dict.fromkeys(found.pair for found in gains))
    remark = f"; the first {MOST_PAIRS} of {len(pairs)} pairs" if len(pairs) > MOST_PAIRS else ""
    return [found for found in gains if found.pair in pairs[:MOST_PAIRS]], remark


def _gains(comparisons: Sequence[Comparison]) -> list[Comparison]:
    return [found for found in comparisons if found.kind == DISTILLED_BASELINE]


def _dis_line(axes: Axes, found: Sequence[Comparison], head: str) -> None:
    if not found:
        return
    dis = [number(item.dis) for item in found]
    means = [100 * item.after_summary.mean for item in found]
    spreads = [100 * (item.after_summary.sd or 0.0) for item in found]
    colour, name = COLOURS[head], HEAD_NAMES[head]
    axes.errorbar(dis, means, spreads, color=colour, marker="o", capsize=4, label=f"distilled, {name}")
    baseline = found[0].before_summary
    low, high = (100 * (baseline.mean + sign * (baseline.sd or 0.0)) for sign in (-1, 1))
    axes.axhline(100 * baseline.mean, color=colour, linestyle="--", label=f"baseline, {name}")
    axes.axhspan(low, high, color=colour, alpha=0.12)
