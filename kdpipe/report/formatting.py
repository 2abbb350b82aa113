"""Format numbers and tables for Markdown."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
from tabulate import tabulate

from kdpipe.report.gains import Gain, Summary

HEAD_NAMES = {"e2e": "e2e", "nms": "NMS"}


# What Markdown gives a meaning to; an underscore between letters has none.
MARKS = re.compile(r"[\\`*\[\]~$#!]|(?<![^\W_])_|_(?![^\W_])")


def markdown(lines: Sequence[Mapping[str, object]]) -> str:
    """Return rows with the same columns as a Markdown table; an empty text if there are no rows.

    A cell cannot end its row or its column, and holds no HTML.
    """
    rows = [{name: no_html(str(value)).replace("|", r"\|") for name, value in line.items()} for line in lines]
    return tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True) if rows else ""


def no_html(text: str) -> str:
    """Return a text in one line, whose HTML Markdown shows and does not obey."""
    return escape(" ".join(text.split()), quote=False)


def verbatim(name: str) -> str:
    """Return a name of the user, such as a class name, as Markdown that shows its characters as they are."""
    return MARKS.sub(lambda match: f"\\{match[0]}", name)


def percent(value: float | None) -> str:
    """Format a fraction of 1 in % with one decimal, as in published tables."""
    return "" if pd.isna(value) else f"{100 * value:.1f}"


def spread(summary: Summary) -> str:
    """Format mean ± standard deviation in %."""
    return spread_of(summary.mean, summary.sd)


def spread_of(mean: float, sd: float | None) -> str:
    """Format mean ± standard deviation in %; None or NaN if it is unknown."""
    return percent(mean) + ("" if pd.isna(sd) else f" ± {percent(sd)}")


def probability(value: float | None) -> str:
    """Format the probability that a gain is above 0; None or NaN if it is unknown."""
    return "" if pd.isna(value) else f"{value:.2f}"


def p_value(value: float | None) -> str:
    """Format a P; None or NaN if it is unknown."""
    return "" if pd.isna(value) else f"{value:.3f}"


def gain_row(line: Mapping[Hashable, Any]) -> dict[str, str]:
    """Format a row of the gains (`kdpipe.report.figure_data`) in the way that all tables show it."""
    return {
        "pair": str(line["pair"]),
        "head": HEAD_NAMES[line["head"]],
        "dis": f"{line['dis']} (best of {line['tried']})" if line["tried"] > 1 else str(line["dis"]),
        "baseline": spread_of(line["baseline"], line["baseline sd"]),
        "distilled": spread_of(line["distilled"], line["distilled sd"]),
        "gain": gain_of(line["gain"], line["low"], line["high"]),
        "P(better)": probability(line["probability"]),
        "verdict": line["verdict"],
    }


def gain(found: Gain | None) -> str:
    """Format a gain and its interval, in percentage points."""
    return gain_of(found.mean, found.low, found.high) if found else ""


def gain_of(mean: float, low: float | None, high: float | None) -> str:
    """Format a gain and its interval, in percentage points.

    Args:
        mean: The gain as a fraction of 1; NaN if it is unknown.
        low: Lower end of the interval; None or NaN if it is unknown.
        high: Upper end of the interval; None or NaN if it is unknown.
    """
    if pd.isna(mean):
        return ""
    if pd.isna(low) or pd.isna(high):
        return signed(mean)
    return f"{signed(mean)} [{signed(low)}, {signed(high)}]"


def signed(difference: float) -> str:
    """Format a difference of fractions of 1 in points with its sign; what is rounded to 0 is +0.0."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"
