"""How numbers and tables are written in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from tabulate import tabulate

from kdpipe.stats import Gain, Summary

HEAD_NAMES = {"e2e": "e2e", "nms": "NMS"}


def markdown(lines: Sequence[Mapping[str, object]]) -> str:
    """Lines of the same columns as a Markdown table; nothing if there are none."""
    return tabulate(lines, headers="keys", tablefmt="pipe", disable_numparse=True) if lines else ""


def percent(value: float) -> str:
    """A share of one as in published tables: in %, one decimal."""
    return "" if pd.isna(value) else f"{100 * value:.1f}"


def spread(summary: Summary) -> str:
    """Mean ± standard deviation, in %."""
    return percent(summary.mean) + (f" ± {percent(summary.sd)}" if summary.sd is not None else "")


def gain(found: Gain | None) -> str:
    """A gain and its interval, in %."""
    if found is None:
        return ""
    text = f"{100 * found.mean:+.1f}"
    if found.low is None or found.high is None:
        return text
    return f"{text} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
