"""Draw training curves."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kdpipe.cells.cell import PAIRED
from kdpipe.page.plot import BLUE, GREEN, GREY, Plot
from kdpipe.report.figure_data import MOST_CURVES
from kdpipe.report.read import Content

PANELS = {
    "mAP50-95 on val": "metrics/mAP50-95",
    "box loss": "train/box_loss",
    "class loss": "train/cls_loss",
    "distillation loss, times dis": "train/dis_loss",
    "distillation / detection, gradients at the neck": "train/dis_gradient",
}
FEW = 12  # up to so many epochs, each one gets a marker
COLOURS = {"teacher": GREY, PAIRED: GREY, "baseline": BLUE, "distill": GREEN}
WORDS = {"teacher": "teachers", PAIRED: "teachers", "baseline": "baselines", "distill": "distilled"}
ABOUT = """\
One line per training. Ultralytics logs the distillation loss multiplied by dis: compare only lines with the
same dis. Gradients are those of the first batch of each epoch. MLflow shows which line is which training."""

SOME = f" Only the first {MOST_CURVES} of each kind are shown; finished checkpoints have no curve."


def curves(content: Content) -> Plot | None:
    """Draw validation mAP and training losses over epochs, one line per training."""
    table = content.numbers["curves"]
    if table.empty:
        return None
    figure = Figure(figsize=(12, 6), layout="constrained")
    *axes, free = figure.subplots(2, 3).ravel()
    free.axis("off")
    for panel, (title, column) in zip(axes, PANELS.items(), strict=True):
        known = table.dropna(subset=[column]) if column in table else table.head(0)
        for cell, its in known.groupby("cell", sort=False):
            kind = str(cell).split("/", 1)[0]
            word = WORDS[kind] if WORDS[kind] not in panel.get_legend_handles_labels()[1] else None
            panel.plot(
                its["epoch"],
                its[column],
                ".-" if len(its) <= FEW else "-",
                color=COLOURS[kind],
                alpha=0.7,
                label=word,
                zorder=2 if kind == "distill" else 3,  # the many distilled lines must not hide the few others
            )
        panel.set(title=title, xlabel="epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if panel.lines:
            panel.legend(fontsize="small")
        else:
            panel.text(0.5, 0.5, "none", ha="center", transform=panel.transAxes)
    left_out = content.cells["cell"].nunique() > table["cell"].nunique()
    return Plot("curves", "Training curves", ABOUT + (SOME if left_out else ""), figure, table)
