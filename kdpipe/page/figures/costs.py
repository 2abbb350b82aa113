"""Draw what distilling costs."""

from __future__ import annotations

from kdpipe.page.plot import BLUE, INK, ORANGE, Plot, bars, legend, lines, panels, pictured
from kdpipe.report.read import Content

LINE = 0.42  # inches
ABOUT = """\
Training time and peak memory of distilled students relative to their baseline, medians over seeds. At 1,
distilling costs nothing extra."""


def costs(content: Content) -> Plot | None:
    """Draw time and memory of every pair and `dis`, relative to the baseline."""
    table = content.numbers["costs"]
    if table.empty:
        return None
    pairs, more = pictured(table)
    shown = table[table["pair"].isin(pairs)].dropna(subset=["time", "memory"], how="all")
    if shown.empty:
        return None
    figure, (axes,) = panels(1, height=1.2 + LINE * len(shown))
    for which, (name, colour) in enumerate((("time", BLUE), ("memory", ORANGE))):
        drawn = bars(axes, shown[name], which, colour, name)
        axes.bar_label(drawn, fmt="%.2f", padding=3, size=8)
    axes.axvline(1, color=INK, linewidth=0.8)
    lines(axes, [f"{pair}  dis {dis}" for pair, dis in shown[["pair", "dis"]].to_numpy()])
    axes.set_xlabel("relative to the baseline")
    legend(figure)
    return Plot("costs", "What distilling costs", ABOUT + more, figure, table)
