"""Search for the best `dis` (and pair, with its method) with trainings of the pipeline, for `kdpipe tune`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from kdpipe.cells.cell import DATASET_DIR, distill_cell
from kdpipe.cells.record import load_metrics
from kdpipe.checks.preflight import preflight
from kdpipe.commands.repro import bring_up_to_date, tell_failures
from kdpipe.console import console
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.errors import KdpipeError, ParamsError, counted
from kdpipe.models.methods import METHODS
from kdpipe.models.names import preferred_head
from kdpipe.parallel.cluster import RayCluster
from kdpipe.parallel.search import Candidate, Space, Trial, best_of, search
from kdpipe.parallel.trials import add_dis, trial_stages
from kdpipe.params.load import load
from kdpipe.params.schema import Params, Tracking
from kdpipe.report.comparisons import DISTILLED_BASELINE
from kdpipe.report.formatting import HEAD_NAMES, gain, percent
from kdpipe.report.gains import Gain
from kdpipe.report.question import Question, question_of
from kdpipe.report.write import REPORTS_DIR
from kdpipe.tracking import log_trials

LOWEST, HIGHEST = 1 / 60, 5  # times the default `dis` of a method: 0.1 to 30 for l2
Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Answer:
    """The best trial by `metric` on split `choice`, and its comparisons with the baseline on `split`."""

    best: Trial
    trials: Sequence[Trial]
    choice: str
    split: str
    comparisons: Sequence[dict[str, Any]]
    metric: str


def checked_bounds(low: float | None, high: float | None) -> Bounds:
    """Return the bounds of `dis` that were given.

    Raises:
        KdpipeError: if they are none.
    """
    given = [bound for bound in (low, high) if bound is not None]
    if not all(0 < bound < inf for bound in given) or given != sorted(set(given)):
        raise KdpipeError("--low, --high: write numbers above 0, the smaller one as --low")
    return low, high


def tune(pairs: Sequence[str], trials: int, bounds: Bounds, cluster: RayCluster) -> Answer:
    """Search for the best `dis`, add it to params.yaml at the end, and write the report.

    A trial is a pair, and so its method, at one `dis`: each of its seeds is a training of the pipeline, which
    DVC keeps.

    Args:
        pairs: Names of the pairs to try; all if empty.
        trials: The number of trials.
        bounds: The smallest and the largest `dis` of every pair; by default a sixtieth and five times the
            default of its method.
        cluster: Where to train.

    Raises:
        KdpipeError: if no pair can have a `dis` between the bounds, there is no second split to measure on,
            or no trial could be trained.
    """
    params = preflight().params
    candidates = [_candidate(name, params.pairs[name].method, bounds) for name in _pairs(params, pairs)]
    if not tell_failures(bring_up_to_date(params, ["prepare"], cluster)):
        raise KdpipeError("the data could not be prepared")
    choice, measure = _splits(params)
    metric = params.evaluate.primary.metric
    space = Space(candidates, params.sweep.seeds, list(params.sweep.dis))
    _say_if_few(len(space.first), trials)
    found = search(space, trials, cluster.slots, lambda some: _measure(some, choice, cluster))
    best = best_of(found)
    before = load().sweep.tried.get(best.pair, 0)
    add_dis([best.dis], tried={best.pair: before + len(found)})
    _log(params.tracking, [_row(trial, choice, metric) for trial in found])
    if not tell_failures(bring_up_to_date(load(), [], cluster)):
        raise KdpipeError(f"dis {best.dis} is the best of {best.pair} on {choice}, but the report failed")
    comparisons = json.loads((REPORTS_DIR / "benchmark.json").read_text(encoding="utf-8"))["comparisons"]
    wanted = (DISTILLED_BASELINE, best.pair, str(best.dis))
    its = [one for one in comparisons if (one["kind"], one["pair"], one["dis"]) == wanted]
    return Answer(best, found, choice, measure, its, metric)


def _log(tracking: Tracking, rows: Sequence[dict[str, Any]]) -> None:
    """Log the trials to MLflow; an error must not lose the result of a long search."""
    try:
        log_trials(tracking, rows)
    except KdpipeError as error:
        console.print(f"[yellow]warning:[/] the trials are not in MLflow: {escape(str(error))}")


def _pairs(params: Params, pairs: Sequence[str]) -> list[str]:
    trained = [name for name, pair in params.pairs.items() if not pair.distilled]
    for name in pairs:
        if name not in trained:
            raise ParamsError(f"pairs.{name}", f"no pair that is trained; choose from: {', '.join(trained)}")
    return list(pairs) or trained


def _candidate(pair: str, method: str, bounds: Bounds) -> Candidate:
    """A pair, with bounds that suit the scale of its method's loss where none are given."""
    start = METHODS[method].dis
    low, high = bounds[0] or float(f"{start * LOWEST:.2g}"), bounds[1] or float(f"{start * HIGHEST:.2g}")
    if low >= high:
        given, other = ("--low", "--high") if bounds[0] else ("--high", "--low")
        raise KdpipeError(
            f"{given} {bounds[0] or bounds[1]:g}: pair {pair} ({method}) has {low:g} to {high:g} then; "
            f"write {other} too"
        )
    return Candidate(pair, method, low, high, start)


def _say_if_few(first: int, trials: int) -> None:
    if trials <= first:
        console.print(
            "[yellow]warning:[/] no new dis will be proposed: the default of each method and sweep.dis come "
            f"first, which are {counted(first, 'trial')}; write more --trials"
        )


def _splits(params: Params) -> tuple[str, str]:
    splits = measured_splits(params, load_manifest(DATASET_DIR))
    if splits[0] == splits[-1]:
        raise ParamsError(
            "validate.splits",
            f"only {splits[0]} exists, but the best dis must be measured on another split than the one that "
            "chooses it; add a test split to the data, and write [val, test]",
        )
    return splits[0], splits[-1]


def _measure(some: Sequence[tuple[Trial, int]], split: str, cluster: RayCluster) -> list[float | None]:
    """Train, validate and evaluate trials; return AP on the split for each, or None if it failed."""
    cells = [distill_cell(trial.pair, trial.dis, seed) for trial, seed in some]
    targets = dict.fromkeys(f"evaluate_{cell.stage}" for cell in cells)
    params = load()
    tried = [dis for dis in dict.fromkeys(trial.dis for trial, _ in some) if dis not in params.sweep.dis]
    whole = replace(params, sweep=replace(params.sweep, dis=[*params.sweep.dis, *tried]))
    with trial_stages(tried):
        outcome = bring_up_to_date(whole, list(targets), cluster)
    tell_failures(outcome)
    done = {stage.name for stage in outcome.done}
    question = question_of(params.evaluate, {})
    evaluated = [cell.eval_dir if f"evaluate_{cell.stage}" in done else None for cell in cells]
    return [_ap(folder, split, question) if folder else None for folder in evaluated]


def _ap(folder: Path, split: str, question: Question) -> float:
    """Return what the best trial is chosen by, as in the report: the primary metric on the primary head."""
    heads = load_metrics(folder)[split]
    return heads[question.head or preferred_head(heads)][question.column]


def _row(trial: Trial, split: str, metric: str) -> dict[str, float | str]:
    return {
        "pair": trial.pair,
        "method": trial.method,
        "dis": trial.dis,
        "seeds": len(trial.ap),
        "stopped": float(trial.stopped),
        **({f"{split}/{metric}": trial.mean} if trial.ap else {}),
    }


def tell(answer: Answer) -> None:
    """Print the trials, and the gain of the best one."""
    table = Table("pair", "method", "dis", "seeds", f"{answer.metric} on {answer.choice}")
    for trial in sorted(answer.trials, key=lambda trial: (trial.pair, trial.dis)):
        ap = f"{percent(trial.mean)}{' (stopped)' if trial.stopped else ''}" if trial.ap else "failed"
        table.add_row(trial.pair, trial.method, f"{trial.dis:g}", str(len(trial.ap)), ap)
    console.print(table)
    best = answer.best
    which = f"{best.pair} at dis {best.dis:g} ({best.method})"
    console.print(f"best on {answer.choice}: {which}; its gain on {answer.split}:")
    for found in answer.comparisons:
        its_gain = Gain(**found["gain"]) if found["gain"] else None
        console.print(f"  {HEAD_NAMES[found['head']]}: {gain(its_gain)} {found['verdict']}")
