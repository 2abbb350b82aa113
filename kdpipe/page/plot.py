"""A figure with the numbers behind it: drawn once, for papers and for the page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

INK, BLUE, ORANGE, GREEN, GREY = "#1f2328", "#0072b2", "#d55e00", "#009e73", "#767b82"
HEAD_COLOURS = {"e2e": BLUE, "nms": ORANGE}  # both can be told apart by the colour-blind (Okabe and Ito)
MOST_PAIRS, PANELS_IN_A_ROW = 12, 3  # the tables have them all
PIXELS_PER_INCH = 150
THICKNESS = 0.18  # half of a bar's, of the distance between two lines
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "grid.alpha": 0.25,
    "grid.color": INK,
    "legend.framealpha": 0.0,
}


@dataclass(frozen=True)
class Plot:
    """A figure: `about` says how to read it, `data` is what it shows."""

    name: str
    title: str
    about: str
    figure: Figure
    data: pd.DataFrame

    def __post_init__(self) -> None:
        """Settle the layout: every further drawing would move things by a hair."""
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")

    def save(self, folder: Path) -> None:
        """Write it as PNG and SVG."""
        self.figure.savefig(folder / f"{self.name}.png", dpi=PIXELS_PER_INCH)
        (folder / f"{self.name}.svg").write_text(self.svg)

    @property
    def svg(self) -> str:
        """The same bytes for the same numbers, with names of its own where it stands beside others."""
        out = io.StringIO()
        with mpl.rc_context({"svg.hashsalt": self.name, "svg.fonttype": "none"}):  # text stays text
            self.figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
        own = re.sub(r'\bid="', f'id="{self.name}-', out.getvalue())
        return re.sub(r'(href="|url\()#', rf"\1#{self.name}-", own)


def panels(count: int, width: float = 4.2, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, sizes in inches."""
    columns = min(count, PANELS_IN_A_ROW)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(6.4, width * columns), height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).ravel())
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def lines(axes: Axes, labels: Sequence[str]) -> None:
    """Name the lines of a figure that is read from above, one below the other."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def place_of(line: int, which: int) -> float:
    """Where in its line the first (0) or second (1) of two stands."""
    return line + (which - 0.5) * 2 * THICKNESS


def bars(axes: Axes, values: Iterable[float], which: int, colour: str, label: str) -> BarContainer:
    """A bar per line, for the first (0) or second (1) of two."""
    found = list(values)
    places = [place_of(line, which) for line in range(len(found))]
    return axes.barh(places, found, height=2 * THICKNESS, color=colour, alpha=0.8, label=label)


def legend(figure: Figure) -> None:
    """Above the panels, where it hides nothing; a word for whatever any of them shows."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    named = {
        label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)
    }
    figure.legend(
        list(named.values()), list(named), loc="outside upper right", ncols=len(named) or 1, fontsize="small"
    )


def pictured(table: pd.DataFrame) -> tuple[list[str], str]:
    """The pairs that a figure has room for, and a remark on those that it leaves out."""
    pairs = list(table["pair"].unique())
    more = f" Drawn are the first {MOST_PAIRS} of {len(pairs)} pairs." if len(pairs) > MOST_PAIRS else ""
    return pairs[:MOST_PAIRS], more
