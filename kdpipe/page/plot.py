"""Draw figures that keep the numbers behind them, for papers and for the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

INK, BLUE, ORANGE, GREEN, GREY = "#1f2328", "#0072b2", "#d55e00", "#009e73", "#767b82"
HEAD_COLOURS = {"e2e": BLUE, "nms": ORANGE}  # safe for colour-blind readers (Okabe and Ito)
MOST_PAIRS, PANELS_IN_A_ROW = 12, 2  # the tables have all pairs; more panels are too small on a phone
MOST_IN_A_ROW = 3  # entries of a legend
PIXELS_PER_INCH = 150
THICKNESS = 0.18  # half of a bar, as a share of the distance between two lines
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "legend.framealpha": 0.0,
    "text.parse_math": False,  # a dollar in a name is a dollar
}


@dataclass(frozen=True)
class Plot:
    """A figure: `about` says how to read it, `data` has the numbers that it shows."""

    name: str
    title: str
    about: str
    figure: Figure
    data: pd.DataFrame

    def __post_init__(self) -> None:
        """Fix the layout, which every drawing would change a little."""
        with drawing():
            self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")

    def save(self, folder: Path) -> None:
        """Write the figure as PNG and SVG."""
        with drawing():
            self.figure.savefig(folder / f"{self.name}.png", dpi=PIXELS_PER_INCH)
        (folder / f"{self.name}.svg").write_text(self.svg, encoding="utf-8")

    @cached_property
    def svg(self) -> str:
        """The figure as SVG: the same bytes for the same numbers, and ids that are unique on the page."""
        out = io.StringIO()
        # Text stays text.
        with mpl.rc_context({"svg.hashsalt": self.name, "svg.fonttype": "none"}), drawing():
            self.figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
        own = re.sub(r'\bid="', f'id="{self.name}-', out.getvalue())
        return re.sub(r'(href="|url\()#', rf"\1#{self.name}-", own)


@contextmanager
def drawing() -> Iterator[None]:
    """Draw without a warning per character that no font has; stage page says it in one sentence."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def panels(count: int, width: float = 3.75, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """Create a figure with panels.

    Args:
        count: The number of panels.
        width: Width of a panel in inches.
        height: Height of a panel in inches.
    """
    columns = min(count, PANELS_IN_A_ROW)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(6.4, width * columns), height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).ravel())
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def lines(axes: Axes, labels: Sequence[str]) -> None:
    """Label the lines of a figure, the first one at the top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def place_of(line: int, which: int) -> float:
    """Return the y position of the first (0) or second (1) of two bars in a line."""
    return line + (which - 0.5) * 2 * THICKNESS


def bars(axes: Axes, values: Iterable[float], which: int, colour: str, label: str) -> BarContainer:
    """Draw one bar per line.

    Args:
        axes: Where to draw.
        values: The length of the bar of each line.
        which: 0 for the first of two bars in a line, 1 for the second.
        colour: The colour of the bars.
        label: Their entry in the legend.
    """
    found = list(values)
    places = [place_of(line, which) for line in range(len(found))]
    return axes.barh(places, found, height=2 * THICKNESS, color=colour, alpha=0.8, label=label)


def legend(figure: Figure) -> None:
    """Draw one legend for all panels above them, where it hides nothing."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    named = {
        label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)
    }
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside upper right",
        ncols=min(len(named), MOST_IN_A_ROW) or 1,
        fontsize="small",
    )


def pictured(table: pd.DataFrame) -> tuple[list[str], str]:
    """Return the pairs that a figure has room for, and a remark if it leaves out others."""
    pairs = list(table["pair"].unique())
    more = f" Only the first {MOST_PAIRS} of {len(pairs)} pairs are shown." if len(pairs) > MOST_PAIRS else ""
    return pairs[:MOST_PAIRS], more
