"""Draw accuracy against latency."""

from __future__ import annotations

from kdpipe.cells.cell import PAIRED
from kdpipe.page.plot import GREY, HEAD_COLOURS, Plot, panels
from kdpipe.report.formatting import HEAD_NAMES
from kdpipe.report.read import Content

MARKS = {"teacher": "s", PAIRED: "D", "baseline": "o", "distill": "^"}
WORDS = {"teacher": "teacher", PAIRED: "paired teachers", "baseline": "baseline", "distill": "distilled"}
MOST_NAMES = 12
ABOUT = """\
Milliseconds per image during validation (inference and postprocessing, in batches, with all boxes above
validate.conf), on the machine that validated. Inference is the median of all trainings of an architecture, as
a distilled student is the same network as its baseline; postprocessing that of a model's seeds. The dashed
line is the Pareto front: models that no other one beats in both accuracy and latency."""


def latency(content: Content) -> Plot | None:
    """Draw every model with both heads, and the Pareto front."""
    table = content.numbers["latency"]
    if table.empty:
        return None
    figure, (axes,) = panels(1, width=7.5, height=4.6)
    for (kind, head), its in table.groupby(["kind", "head"], sort=False):
        label = f"{WORDS[str(kind)]}, {HEAD_NAMES[str(head)]}"
        axes.plot(
            its["ms"],
            100 * its["AP"],
            MARKS[str(kind)],
            color=HEAD_COLOURS[str(head)],
            label=label,
            alpha=0.8,
        )
    front = table[table["front"]].sort_values("ms")
    axes.plot(front["ms"], 100 * front["AP"], "--", color=GREY, zorder=0, label="Pareto front")
    for number, (name, ms, ap) in enumerate(front.head(MOST_NAMES)[["model", "ms", "AP"]].to_numpy()):
        beside = (6, 6 if number % 2 else -12)  # labels of neighbours do not overlap
        axes.annotate(name, (ms, 100 * ap), beside, textcoords="offset points", size=8)
    axes.set(xlabel="ms per image", ylabel=f"{content.label} ({content.metric}), %")
    axes.legend(fontsize="small")
    return Plot("latency", "Accuracy against latency", ABOUT, figure, table)
