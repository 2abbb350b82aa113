"""Draw training curves."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kdpipe.cells.cell import arm
from kdpipe.page.plot import Plot, legend
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

SOME = (
    f" Not shown are all but the first {MOST_CURVES} arms of each kind, finished checkpoints, and new seeds."
)


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
        for name, its in known.groupby("arm", sort=False):
            _line(panel, its, column, str(name), colours[str(name)])
        if not panel.lines:
            panel.text(0.5, 0.5, "none", ha="center", transform=panel.transAxes)
    legend(figure)
    left_out = content.trainings["cell"].nunique() > table["cell"].nunique()
    return Plot("curves", "Training curves", ABOUT + (SOME if left_out else ""), figure, table)


def _arm(cell: str) -> str:
    """Return what a training has in common with those of other seeds, from its id."""
    kind, name, *rest = cell.split("/")
    return arm(kind, name, rest[0] if len(rest) > 1 else None)


def _colours(arms: list[str]) -> dict[str, str]:
    """Return a colour per arm; teachers are grey."""
    teachers = [name for name in arms if name.endswith(" teacher")]
    students = [name for name in arms if name not in teachers]
    greys, shades = (
        mpl.colormaps[name].resampled(count + 2)
        for name, count in (("gray", len(teachers)), ("viridis", len(students)))
    )
    found = {name: mpl.colors.to_hex(greys(1 + number)) for number, name in enumerate(teachers)}
    for number, name in enumerate(students):
        few = len(students) <= len(COLOURS)
        found[name] = COLOURS[number] if few else mpl.colors.to_hex(shades(number))
    return found


def _line(panel: Axes, its: pd.DataFrame, column: str, name: str, colour: str) -> None:
    by_epoch = its.groupby("epoch")[column]
    mean = by_epoch.mean()
    panel.plot(mean.index, mean, ".-" if len(mean) <= FEW else "-", color=colour, label=name)
    panel.fill_between(mean.index, by_epoch.min(), by_epoch.max(), color=colour, alpha=0.2, linewidth=0)
