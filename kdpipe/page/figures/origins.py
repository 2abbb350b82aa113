"""Draw where gains come from: classes and sizes of objects."""

from __future__ import annotations

from kdpipe.models.names import HEADS
from kdpipe.page.plot import HEAD_COLOURS, INK, Plot, bars, legend, lines, panels, pictured, place_of
from kdpipe.report.formatting import HEAD_NAMES
from kdpipe.report.read import Content

MOST_BARS = 20
LINE = 0.34  # inches
ABOUT = """\
The gain of each {what} at the best dis of each pair, means over seeds; lines are 95 % intervals over seeds
alone, so they are too narrow for {these} of which few images have an object."""
MANY = f" Only the {MOST_BARS} that change most are shown."


def classes(content: Content) -> Plot | None:
    """Draw the gain of each class."""
    return _bars(content, "classes", "class", ABOUT.format(what="class", these="classes"))


def sizes(content: Content) -> Plot | None:
    """Draw the gain for small, medium and large objects."""
    about = ABOUT.format(what="size of object (area below 32², below 96², above)", these="sizes")
    return _bars(content, "sizes", "size", about)


def _bars(content: Content, name: str, column: str, about: str) -> Plot | None:
    table = content.numbers[name]
    if table.empty:
        return None
    pairs, more = pictured(table)
    changes = table.assign(change=table["gain"].abs()).groupby(column, sort=False)["change"].max()
    kept = changes.nlargest(MOST_BARS).index
    labels = [label for label in changes.index if label in kept]
    figure, axes = panels(len(pairs), height=1.1 + LINE * len(labels))
    for panel, pair in zip(axes, pairs, strict=True):
        for which, head in enumerate(HEADS):
            its = table[(table["pair"] == pair) & (table["head"] == head)].set_index(column)
            found = 100 * its[["gain", "low", "high"]].astype(float).reindex(labels)
            if found["gain"].notna().any():
                bars(panel, found["gain"], which, HEAD_COLOURS[head], HEAD_NAMES[head])
                places = [place_of(line, which) for line in range(len(labels))]
                panel.hlines(places, found["low"], found["high"], color=INK, linewidth=1, alpha=0.7)
        panel.axvline(0, color=INK, linewidth=0.8)
        panel.set(title=pair, xlabel="gain in AP, points")
        lines(panel, labels)
    legend(figure)
    title = "Gains by class" if column == "class" else "Gains by size of object"
    remark = MANY if len(labels) < len(changes) else ""
    return Plot(name, title, about + remark + more, figure, table)
