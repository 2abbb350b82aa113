"""Draw training curves."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kdpipe.page.plot import GREY, Plot, legend
from kdpipe.report.figure_data import MOST_CURVES
from kdpipe.report.read import Content

PANELS = {
    "mAP50-95 on val": "metrics/mAP50-95",
    "box loss": "train/box_loss",
    "class loss": "train/cls_loss",
    "distillation loss, times dis": "train/dis_loss",
    "distillation / detection, gradients": "train/dis_gradient",
}
FEW = 12  # up to so many epochs, each one gets a marker
# Safe for colour-blind readers (Okabe and Ito); more arms than that get shades.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
ABOUT = """\
A line per arm: the mean over its seeds, with a band from the lowest to the highest one. Ultralytics logs the
distillation loss multiplied by dis: compare only lines with the same dis. Gradients are those at the neck, of
the first batch of each epoch."""

SOME = f" Only the first {MOST_CURVES} trainings of each kind are shown; finished checkpoints have no curve."


def curves(content: Content) -> Plot | None:
    """Draw validation mAP and training losses over epochs: a mean and a band per arm."""
    table = content.numbers["curves"]
    if table.empty:
        return None
    drawn = table.assign(arm=table["cell"].map(_arm))
    figure = Figure(figsize=(7.5, 8.5), layout="constrained")
    *panels, free = figure.subplots(3, 2).ravel()
    free.remove()
    colours = _colours(list(drawn["arm"].unique()))
    for panel, (title, column) in zip(panels, PANELS.items(), strict=True):
        panel.set(title=title, xlabel="epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        known = drawn.dropna(subset=[column]) if column in drawn else drawn.head(0)
        for arm, its in known.groupby("arm", sort=False):
            _line(panel, its, column, str(arm), colours[str(arm)])
        if not panel.lines:
            panel.text(0.5, 0.5, "none", ha="center", transform=panel.transAxes)
    legend(figure)
    left_out = content.cells["cell"].nunique() > table["cell"].nunique()
    return Plot("curves", "Training curves", ABOUT + (SOME if left_out else ""), figure, table)


def _arm(cell: str) -> str:
    """Return what a training has in common with those of other seeds, from its id."""
    kind, name, *rest = cell.split("/")
    return f"{name} dis {rest[0]}" if kind == "distill" else f"{name} {kind.replace('_', ' ')}"


def _colours(arms: list[str]) -> dict[str, str]:
    """Return a colour per arm; teachers are grey."""
    found = dict.fromkeys((arm for arm in arms if arm.endswith(" teacher")), GREY)
    others = [arm for arm in arms if arm not in found]
    shades = mpl.colormaps["viridis"].resampled(len(others) + 1)
    for number, arm in enumerate(others):
        few = len(others) <= len(COLOURS)
        found[arm] = COLOURS[number] if few else mpl.colors.to_hex(shades(number))
    return found


def _line(panel: Axes, its: pd.DataFrame, column: str, arm: str, colour: str) -> None:
    by_epoch = its.groupby("epoch")[column]
    mean = by_epoch.mean()
    panel.plot(mean.index, mean, ".-" if len(mean) <= FEW else "-", color=colour, label=arm)
    panel.fill_between(mean.index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.2, linewidth=0)
