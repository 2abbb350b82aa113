"""Confirm the choice of a pair's `dis` on seeds that were never used, for `kdpipe confirm`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import pandas as pd

from kdpipe.checks.preflight import preflight
from kdpipe.commands.repro import bring_up_to_date, tell_failures
from kdpipe.console import console
from kdpipe.errors import KdpipeError, ParamsError, about, counted, did_you_mean
from kdpipe.models.entries import paired_teachers
from kdpipe.parallel.cluster import RayCluster
from kdpipe.parallel.trials import rewriting
from kdpipe.params.load import load
from kdpipe.params.schema import Params
from kdpipe.report.formatting import gain_row
from kdpipe.report.read import load_content
from kdpipe.report.sequential import DECIDED, next_look


@dataclass(frozen=True)
class Limits:
    """When to stop without a decision: seeds per pair, and seconds of wall time (None: no limit)."""

    seeds: int
    seconds: float | None


def seconds_of(budget: str | None) -> float | None:
    """Read a time such as 90m or 2h.

    Raises:
        KdpipeError: if it is none.
    """
    if budget is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    try:
        seconds = float(budget[:-1]) * units[budget[-1:]]
    except (ValueError, KeyError):
        seconds = 0.0
    if not 0 < seconds < inf:
        raise KdpipeError(f"--budget {budget}: write a time such as 90m or 2h")
    return seconds


def confirm(pairs: Sequence[str], limits: Limits, cluster: RayCluster) -> pd.DataFrame:
    """Train baseline and distilled with new seeds, at the best `dis` of each pair, until all are decided.

    What it does is written to params.yaml, so that `dvc repro` reproduces it from the cache, and a second
    call goes on where the first one stopped.

    Args:
        pairs: Names of the pairs; those of params.yaml's `confirm` if empty, and all if that is empty too.
        limits: When to stop without a decision.
        cluster: Where to train.

    Returns:
        The gains on the new seeds, a row per pair and head.

    Raises:
        KdpipeError: if a stage fails, or a pair is unknown.
    """
    began = time.monotonic()
    params = preflight().params
    _run(params, cluster)
    chosen = _choices(params, pairs)
    if params.confirm.seeds and chosen != params.confirm.pairs:
        params = _write(params, chosen, len(params.confirm.seeds))
        _run(params, cluster)
    while True:
        seeds = len(params.confirm.seeds)
        gains = load_content().confirmed
        undecided = _undecided(gains, chosen)
        more = next_look(seeds)
        if not undecided or more is None or more > limits.seeds:
            return gains
        seconds = _seconds(chosen) * (more - seeds) / max(1, cluster.slots)
        left = inf if limits.seconds is None else limits.seconds - (time.monotonic() - began)
        if seconds > left:
            console.print(
                f"the next step takes {about(seconds)} of training, more than is left of the budget"
            )
            return gains
        console.print(
            f"{', '.join(undecided)}: {counted(more - seeds, 'more seed')}, {about(seconds)} of training"
        )
        params = _write(params, chosen, more)
        _run(params, cluster)


def _run(params: Params, cluster: RayCluster) -> None:
    if not tell_failures(bring_up_to_date(params, [], cluster)):
        raise KdpipeError("a stage failed; mend it, and run the command again: it goes on from there")


def _choices(params: Params, pairs: Sequence[str]) -> dict[str, Any]:
    """The `dis` to confirm by pair: the best one of each pair that is wanted or was begun.

    Raises:
        ParamsError: if a pair is unknown.
    """
    gains = load_content().gains
    best = gains[gains["best"]].drop_duplicates("pair").set_index("pair")["dis"]
    known = {name for name, pair in params.pairs.items() if not pair.distilled}
    for name in pairs:
        if name not in known:
            raise ParamsError(f"pairs.{name}", f"no pair that is trained; {did_you_mean(name, known)}")
    written = params.confirm.pairs
    wanted = dict.fromkeys([*written, *(pairs or (() if written else sorted(known)))])
    by_text = {str(dis): dis for dis in params.sweep.dis}
    for name in written:
        if str(written[name]) != best[name]:
            console.print(f"{name}: dis {best[name]} is the best now, no longer {written[name]}")
    return {name: by_text[best[name]] for name in wanted}


def _undecided(gains: pd.DataFrame, chosen: dict[str, Any]) -> list[str]:
    """The pairs whose primary comparison is not decided yet."""
    if gains.empty:
        return list(chosen)
    primary = gains[gains["primary"]].set_index("pair")["verdict"]
    return [pair for pair in chosen if primary.get(pair) not in DECIDED]


def _seconds(chosen: dict[str, Any]) -> float:
    """What the trainings of another seed of all these pairs take."""
    gains = load_content().gains
    its = gains[gains["best"] & gains["pair"].isin(list(chosen))].drop_duplicates("pair")
    return 60 * float(its["minutes"].sum())


def _write(params: Params, chosen: dict[str, Any], count: int) -> Params:
    """Write pairs, what they use, and so many seeds into params.yaml, in one step, with its comments."""
    seeds = list(params.confirm.seeds)
    first = max([*params.sweep.seeds, *seeds]) + 1
    seeds += range(first, first + count - len(seeds))
    students = list(dict.fromkeys(params.pairs[pair].student for pair in chosen))
    paired = paired_teachers(params, chosen)
    with rewriting() as content:
        content["confirm"].update(pairs=chosen, students=students, paired=paired, seeds=seeds)
    return load()


def tell(gains: pd.DataFrame) -> None:
    """Print the gains on the new seeds."""
    for line in gains.to_dict("records"):
        row, seeds = gain_row(line), counted(int(line["seeds"]), "new seed")
        which = f"{row['pair']}, dis {row['dis']}, {row['head']}"
        measured = f"{row['gain']} points, {seeds}: " if row["gain"] else ""
        console.print(f"{which}: {measured}{row['verdict']}")
    if gains.empty:
        console.print("nothing was confirmed")
