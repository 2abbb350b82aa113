"""The primary comparison of each pair: its verdict, and what it would take to decide it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isinf
from typing import Any

import pandas as pd

from kdpipe.errors import about
from kdpipe.report.answer import by_choice
from kdpipe.report.formatting import gain_of, gain_row, markdown, p_value
from kdpipe.report.gains import UNDECIDED
from kdpipe.report.planning import MOST_SEEDS

HOW_TO_READ = """\
The question, as `evaluate` in params.yaml asks it: does each pair gain at its best `dis`, on its primary
head, or is every gain of {smallest:g} points or more excluded? All other comparisons are secondary. *P* is
that of a gain of 0, two-sided; *P (Holm)* takes into account that there are several pairs. *One seed alone*
is what a comparison of a single seed would have claimed: the lowest and the highest gain of these."""
CONFIRMED = """\
Baseline and distilled trained again with seeds that played no part in the choice of `dis`. Seeds are added in
steps until the verdict is decided, so these intervals hold at every step."""


def table(gains: pd.DataFrame, confirmed: pd.DataFrame) -> str:
    """A line per pair: its primary comparison, and what it would take to decide it.

    Args:
        gains: A line per pair, `dis` and head.
        confirmed: The same of seeds that played no part in a choice; empty if there are none.
    """
    new = by_choice(confirmed)
    lines = []
    for choice, line in by_choice(gains).items():
        row = gain_row(line)
        found = {name: row[name] for name in ("pair", "head", "dis")}
        found |= {"one seed alone": _single_seeds(line), "gain": row["gain"]}
        found |= {"P": p_value(line["p"]), "P (Holm)": p_value(line["holm"]), "verdict": row["verdict"]}
        if new:
            found["on new seeds"] = confirmed_as(new[choice]) if choice in new else ""
        open_ = str(line["verdict"]).startswith(UNDECIDED)
        lines.append(found | {"what it would take": what_it_takes(line) if open_ else ""})
    return markdown(lines)


def on_new_seeds(confirmed: pd.DataFrame) -> str:
    """A line per pair and head, of seeds that played no part in a choice."""
    return markdown([gain_row(line) | {"seeds": line["seeds"]} for line in confirmed.to_dict("records")])


def confirmed_as(line: Mapping[Hashable, Any]) -> str:
    """Say what new seeds found, in a few words."""
    row = gain_row(line)
    return f"{row['verdict']}: {row['gain']}, {line['seeds']} seeds" if row["gain"] else row["verdict"]


def _single_seeds(line: Mapping[Hashable, Any]) -> str:
    ends = (gain_of(line[name], None, None) for name in ("lowest seed", "highest seed"))
    return " to ".join(ends) if line["seeds"] > 1 else ""


def what_it_takes(line: Mapping[Hashable, Any]) -> str:
    """Say what a comparison could have detected, and what would detect more."""
    if pd.isna(line["detectable"]):
        return "more than one seed"
    found = [f"could detect {100 * line['detectable']:.1f} points"]
    for name, seeds in (
        ("the smallest gain", line["seeds for smallest"]),
        ("the gain seen", line["seeds for gain"]),
    ):
        more = seeds - line["seeds"]
        if isinf(seeds):
            found.append(f"{name}: more test images")
        elif seeds > MOST_SEEDS:
            found.append(f"{name}: more than {MOST_SEEDS} seeds")
        elif more > 0:
            found.append(
                f"{name}: {more:.0f} more of `sweep.seeds` ({about(60 * more * line['minutes'])} of training)"
            )
    return "; ".join(found)
