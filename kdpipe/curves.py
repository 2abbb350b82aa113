"""Training curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

PANELS = {
    "mAP50-95 on val": "metrics/mAP50-95",
    "box loss": "train/box_loss",
    "class loss": "train/cls_loss",
    "distillation loss": "train/dis_loss",
}
WITH_LEGEND = 8  # more curves than that are told apart in MLflow
MOST_CURVES = 60  # more than that hide each other: only the first are drawn


def save_curves(histories: Mapping[str, list[dict[str, float]]], path: Path) -> None:
    """Draw validation mAP and training losses over epochs, a line per training."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    for axes, (title, name) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        for label, rows in histories.items():
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if len(histories) <= WITH_LEGEND and axes.lines:
            axes.legend(fontsize="x-small")
        if not axes.lines:
            axes.text(0.5, 0.5, "no teacher", ha="center", transform=axes.transAxes)
    figure.savefig(path, dpi=110)
