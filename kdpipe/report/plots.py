"""The benchmark as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdpipe.report.benchmark import Row, best_rows
from kdpipe.zoo import HEADS

COLOURS = {"e2e": "tab:blue", "nms": "tab:orange"}
LABELS = {"e2e": "e2e (NMS-free)", "nms": "NMS"}


def save_dis(rows: list[Row], path: Path) -> None:
    """mAP50-95 over `dis`, a panel per pair: mean and spread of both heads, baselines as bands."""
    pairs = list(dict.fromkeys(row.pair for row in rows))
    figure = Figure(figsize=(max(6.4, 4.8 * len(pairs)), 4.8), layout="constrained")
    panels = figure.subplots(1, len(pairs), squeeze=False, sharey=True)[0]
    for axes, pair in zip(panels, pairs, strict=True):
        for head in HEADS:
            _dis_line(axes, [row for row in rows if row.pair == pair and head in row.heads], head)
        axes.set(title=pair, xlabel="dis (weight of the distillation loss)")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("mAP50-95, % (mean and standard deviation over seeds)")
    panels[0].legend()
    figure.savefig(path, dpi=110)


def save_gains(rows: list[Row], path: Path) -> None:
    """Gain of every pair and `dis` as bars with their 95 % intervals."""
    figure = Figure(figsize=(7.5, 1.2 + 0.5 * len(rows)), layout="constrained")
    axes = figure.subplots()
    best = best_rows(rows)
    height = 0.8 / len(HEADS)
    for offset, head in enumerate(HEADS):
        found = [(i, row.heads[head].gain) for i, row in enumerate(rows) if head in row.heads]
        if not found:
            continue
        means = np.array([100 * gain.mean for _, gain in found])
        places = [i + (offset - 0.5) * height for i, _ in found]
        errors = [0.0 if gain.high is None else 100 * (gain.high - gain.mean) for _, gain in found]
        axes.barh(places, means, height, xerr=errors, color=COLOURS[head], label=LABELS[head], capsize=3)
    axes.axvline(0, color="black", linewidth=0.8)
    names = [f"{row.pair}  dis {row.dis}{'  (best)' if row in best else ''}" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlabel("gain in mAP50-95, % points, with 95 % interval over seeds")
    axes.grid(alpha=0.3, axis="x")
    axes.legend(loc="best")
    figure.savefig(path, dpi=110)


def dis_table(rows: list[Row]) -> pd.DataFrame:
    """The data behind the plot over `dis`, a line per pair and `dis`, for `dvc plots`."""
    return pd.DataFrame(
        [
            {"pair": row.pair, "dis": float(row.dis)}
            | {head: row.heads[head].distilled.mean for head in HEADS if head in row.heads}
            | {f"{head} baseline": row.heads[head].baseline.mean for head in HEADS if head in row.heads}
            for row in rows
        ]
    )


def _dis_line(axes: Axes, rows: list[Row], head: str) -> None:
    if not rows:
        return
    dis = [float(row.dis) for row in rows]
    found = [row.heads[head] for row in rows]
    means = [100 * item.distilled.mean for item in found]
    spreads = [100 * (item.distilled.sd or 0.0) for item in found]
    colour = COLOURS[head]
    axes.errorbar(
        dis, means, spreads, color=colour, marker="o", capsize=4, label=f"distilled, {LABELS[head]}"
    )
    baseline = found[0].baseline
    low, high = (100 * (baseline.mean + sign * (baseline.sd or 0.0)) for sign in (-1, 1))
    axes.axhline(100 * baseline.mean, color=colour, linestyle="--", label=f"baseline, {LABELS[head]}")
    axes.axhspan(low, high, color=colour, alpha=0.12)
