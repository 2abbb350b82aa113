"""How numbers and tables are written in Markdown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from kdpipe.report.gains import Gain, Summary

HEAD_NAMES = {"e2e": "e2e", "nms": "NMS"}


def markdown(lines: Sequence[Mapping[str, object]]) -> str:
    """Lines of the same columns as a Markdown table; nothing if there are none."""
    return tabulate(lines, headers="keys", tablefmt="pipe", disable_numparse=True) if lines else ""


def percent(value: float | None) -> str:
    """A share of one as in published tables: in %, one decimal."""
    return "" if pd.isna(value) else f"{100 * value:.1f}"


def spread(summary: Summary) -> str:
    """Mean ± standard deviation, in %."""
    return spread_of(summary.mean, summary.sd)


def spread_of(mean: float, sd: float | None) -> str:
    """Mean ± standard deviation, in %; None or NaN is what is not known."""
    return percent(mean) + ("" if pd.isna(sd) else f" ± {percent(sd)}")


def probability(value: float | None) -> str:
    """How sure a gain is to be above 0; None or NaN is what is not known."""
    return "" if pd.isna(value) else f"{value:.2f}"


def gain_row(line: Mapping[Hashable, Any]) -> dict[str, str]:
    """A line of the table of gains (`kdpipe.report.figure_data`) as every table shows it."""
    return {
        "pair": str(line["pair"]),
        "head": HEAD_NAMES[line["head"]],
        "dis": str(line["dis"]),
        "baseline": spread_of(line["baseline"], line["baseline sd"]),
        "distilled": spread_of(line["distilled"], line["distilled sd"]),
        "gain": gain_of(line["gain"], line["low"], line["high"]),
        "P(better)": probability(line["probability"]),
        "verdict": line["verdict"],
    }


def gain(found: Gain | None) -> str:
    """A gain and its interval, in %."""
    return gain_of(found.mean, found.low, found.high) if found else ""


def gain_of(mean: float, low: float | None, high: float | None) -> str:
    """A gain and its interval, in %; None or NaN is what is not known."""
    if pd.isna(mean):
        return ""
    if pd.isna(low) or pd.isna(high):
        return f"{100 * mean:+.1f}"
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
