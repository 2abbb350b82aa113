"""Draw the figures, one module per kind; a figure without data is None."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl

from kdpipe.page import fonts
from kdpipe.page.figures.costs import costs
from kdpipe.page.figures.curves import curves
from kdpipe.page.figures.gains import forest, over_dis
from kdpipe.page.figures.latency import latency
from kdpipe.page.figures.origins import classes, sizes
from kdpipe.page.plot import STYLE, Plot
from kdpipe.report.read import Content

__all__ = ["Plot", "draw", "style"]


def draw(content: Content) -> list[Plot]:
    """Return all figures that have data, in the order of the page."""
    kinds = (over_dis, forest, latency, sizes, classes, curves, costs)
    with style(content):
        return [plot for kind in kinds if (plot := kind(content)) is not None]


@contextmanager
def style(content: Content) -> Iterator[None]:
    """Draw in the style of all figures, with fonts for the names in the report."""
    with mpl.rc_context({**STYLE, "font.family": fonts.families(fonts.names_of(content))}):
        yield
