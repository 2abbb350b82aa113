"""Draw gains over `dis`, and as a forest plot of pairs and seeds."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from kdpipe.models.names import HEADS
from kdpipe.page.plot import HEAD_COLOURS, INK, Plot, legend, lines, panels, pictured, place_of
from kdpipe.report.formatting import HEAD_NAMES
from kdpipe.report.read import Content

LINE = 0.42  # inches of height per line of the forest plot
FOREST_ABOUT = """\
Each line is a pair at one dis: small marks are the gains of single seeds, the large mark is their mean, the
bar its 95 % interval. A gain whose interval contains 0 may be none."""
OVER_DIS_ABOUT = """\
The gain over the baseline (the line at 0), with its 95 % interval as a band. Where the band contains 0,
there may be no gain."""


def over_dis(content: Content) -> Plot | None:
    """Draw the gain over `dis`, one panel per pair, one line per head; None if no pair has two of them."""
    table = content.gains
    table = table.assign(dis=pd.to_numeric(table["dis"], errors="coerce")).dropna(subset=["dis"])
    if not (table.groupby("pair")["dis"].agg(lambda found: len(set(found))) > 1).any():
        return None
    pairs, more = pictured(table)
    figure, axes = panels(len(pairs))
    for panel, pair in zip(axes, pairs, strict=True):
        for head in HEADS:
            its = table[(table["pair"] == pair) & (table["head"] == head)].sort_values("dis")
            _line(panel, its, head)
        panel.axhline(0, color=INK, linewidth=0.8)
        panel.set(title=pair, xlabel="dis (weight of the distillation loss)", xscale="log")
        values = sorted(table.loc[table["pair"] == pair, "dis"].unique())
        panel.set_xticks(values, [f"{value:g}" for value in values], minor=False)
        panel.set_xticks([], minor=True)
    axes[0].set_ylabel(f"gain in {content.label} ({content.metric}), points")
    legend(figure)
    return Plot("dis", "Gain over dis", OVER_DIS_ABOUT + more, figure, content.gains)


def _line(axes: Axes, its: pd.DataFrame, head: str) -> None:
    if its.empty:
        return
    colour = HEAD_COLOURS[head]
    gain, low, high = (100 * its[name].astype(float) for name in ("gain", "low", "high"))
    axes.plot(its["dis"], gain, color=colour, marker="o", label=HEAD_NAMES[head])
    axes.fill_between(its["dis"], low, high, color=colour, alpha=0.15, linewidth=0)
    axes.vlines(its["dis"], low, high, color=colour, linewidth=1, alpha=0.6)


def forest(content: Content) -> Plot | None:
    """Draw the gain of every pair and `dis`, with its interval and the single seeds."""
    gains, seeds = content.gains, content.numbers["seeds"]
    pairs, more = pictured(gains)
    shown = gains[gains["pair"].isin(pairs)]
    rows = list(shown[["pair", "dis", "best"]].drop_duplicates().itertuples(index=False, name=None))
    if seeds.empty:
        return None
    figure, (axes,) = panels(1, height=1.2 + LINE * len(rows))
    for which, head in enumerate(HEADS):
        for line, (pair, dis, _) in enumerate(rows):
            at, colour = place_of(line, which), HEAD_COLOURS[head]
            its = _of(gains, pair, dis, head)
            if its.empty or pd.isna(its.iloc[0]["gain"]):
                continue
            mean, low, high = (100 * float(its.iloc[0][name]) for name in ("gain", "low", "high"))
            axes.hlines(at, low, high, color=colour, linewidth=2)
            axes.plot(mean, at, "D", color=colour, label=HEAD_NAMES[head])
            each = 100 * _of(seeds, pair, dis, head)["gain"]
            axes.plot(each, [at] * len(each), "|", color=colour, alpha=0.8, markersize=8)
    axes.axvline(0, color=INK, linewidth=0.8)
    lines(axes, [f"{pair}  dis {dis}{'  (best)' if best else ''}" for pair, dis, best in rows])
    axes.set_xlabel(f"gain in {content.label} ({content.metric}), points")
    legend(figure)
    return Plot("forest", "Gains, seed by seed", FOREST_ABOUT + more, figure, seeds)


def _of(table: pd.DataFrame, pair: str, dis: str, head: str) -> pd.DataFrame:
    return table[(table["pair"] == pair) & (table["dis"] == dis) & (table["head"] == head)]
