"""What distilling costs."""

from __future__ import annotations

from kdpipe.page.content import Content
from kdpipe.page.plot import BLUE, INK, ORANGE, Plot, legend, panels, pictured

LINE = 0.42  # inches
ABOUT = """\
Time and peak memory of a distilled training as multiples of its baseline's, medians over seeds. At 1,
distilling costs nothing."""


def costs(content: Content) -> Plot | None:
    """Time and memory of every pair and `dis` beside the baseline's."""
    table = content.numbers["costs"]
    pairs, more = pictured(table)
    shown = table[table["pair"].isin(pairs)].dropna(subset=["time", "memory"], how="all")
    if shown.empty:
        return None
    figure, (axes,) = panels(1, height=1.2 + LINE * len(shown))
    for offset, (name, colour) in enumerate((("time", BLUE), ("memory", ORANGE))):
        places = [place + (offset - 0.5) * 0.36 for place in range(len(shown))]
        axes.barh(places, shown[name], height=0.34, color=colour, alpha=0.8, label=name)
        for place, value in zip(places, shown[name], strict=True):
            axes.annotate(
                f"{value:.2f}", (value, place), (3, 0), textcoords="offset points", va="center", size=8
            )
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(
        range(len(shown)), [f"{pair}  dis {dis}" for pair, dis in shown[["pair", "dis"]].to_numpy()]
    )
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("times the baseline's")
    legend(figure)
    return Plot("costs", "What distilling costs", ABOUT + more, figure, table)
