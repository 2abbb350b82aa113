"""What distillation gains over the number of labels: the figure of docs/results.

    python benchmarks/labels.py

From docs/results/digits-labels.csv, which `python benchmarks/presets.py digits-labels` makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from kdpipe.page.plot import BLUE, ORANGE, PIXELS_PER_INCH, legend
from kdpipe.report.formatting import HEAD_NAMES

RESULTS = ROOT / "docs/results"
STARTS = {"scratch": "from scratch", "start": "from the teacher's channels"}
COLOURS = {"l2": BLUE, "predictions": ORANGE}
APART = 1.04  # factor between methods, so that their intervals do not cover each other


def read() -> pd.DataFrame:
    """Gains in points, with what the names of the preset's pairs say: start, labels, method."""
    rows = pd.read_csv(RESULTS / "digits-labels.csv")
    rows[["start", "labels", "method"]] = rows["pair"].str.split("-", expand=True)
    rows[["gain", "low", "high"]] *= 100
    return rows.astype({"labels": int}).sort_values("labels")


def draw(rows: pd.DataFrame) -> Figure:
    """A panel for each start and head."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots(len(STARTS), len(HEAD_NAMES), sharey="row")
    labels = sorted(set(rows["labels"]))
    for (start, in_words), row in zip(STARTS.items(), axes, strict=True):
        for (head, name), axis in zip(HEAD_NAMES.items(), row, strict=True):
            axis.axhline(0, color="grey", linewidth=1)
            for number, (method, colour) in enumerate(COLOURS.items()):
                mine = rows[(rows["start"] == start) & (rows["head"] == head) & (rows["method"] == method)]
                axis.errorbar(
                    mine["labels"] * APART**number,
                    mine["gain"],
                    [mine["gain"] - mine["low"], mine["high"] - mine["gain"]],
                    color=colour,
                    label=method,
                    marker="o",
                    capsize=3,
                )
            axis.set(xscale="log", title=f"{in_words}, {name}", xlabel="labelled images")
            axis.set_xticks(labels, labels=[str(count) for count in labels])
            axis.minorticks_off()
        row[0].set_ylabel("gain in mAP50-95 (points)")
    legend(figure)
    return figure


if __name__ == "__main__":
    draw(read()).savefig(RESULTS / "digits-labels-gains.png", dpi=PIXELS_PER_INCH)
