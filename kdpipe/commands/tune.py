"""What `kdpipe tune` does: look for the `dis` (and the pair) that pays most, by the pipeline's cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.utils.serialize import modify_yaml
from rich.markup import escape
from rich.table import Table

from kdpipe.cells.cell import DATASET_DIR, distill_cell
from kdpipe.cells.record import load_metrics
from kdpipe.checks.preflight import preflight
from kdpipe.commands.repro import bring_up_to_date, tell_failures
from kdpipe.console import console
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.models.names import preferred_head
from kdpipe.parallel.cluster import RayCluster
from kdpipe.parallel.search import Space, Trial, best_of, search
from kdpipe.params.load import load
from kdpipe.params.schema import PARAMS_FILE, Params, Tracking
from kdpipe.report.comparisons import DISTILLED_BASELINE
from kdpipe.report.formatting import HEAD_NAMES, gain, percent
from kdpipe.report.gains import Gain
from kdpipe.report.results import METRIC
from kdpipe.report.write import REPORTS_DIR
from kdpipe.tracking import log_trials


@dataclass(frozen=True)
class Answer:
    """The best trial by the choosing split, and its comparisons with the baseline on the measuring one."""

    best: Trial
    trials: Sequence[Trial]
    choice: str
    split: str
    comparisons: Sequence[dict[str, Any]]


def tune(pairs: Sequence[str], trials: int, bounds: tuple[float, float], cluster: RayCluster) -> Answer:
    """Spend a number of trials; afterwards params.yaml names the best `dis` too, and the report has it.

    A trial is a pair at one `dis`: every seed of it is a cell of the pipeline, trained once and kept.

    Raises:
        KdpipeError: if there is no split left to measure on, or nothing could be trained.
    """
    params = preflight().params
    before = list(params.sweep.dis)
    chosen = _pairs(params, pairs)
    if not tell_failures(bring_up_to_date(params, ["prepare"], cluster)):
        raise KdpipeError("the data could not be prepared")
    choice, measure = _splits(params)
    space = Space(chosen, *bounds, params.sweep.seeds, before)
    try:
        found = search(space, trials, cluster.slots, lambda some: _measure(some, before, choice, cluster))
        best = best_of(found)
    finally:
        _write_dis(before)
    _write_dis([*before, *({best.dis} - set(before))])
    _log(params.tracking, [_row(trial, choice) for trial in found])
    if not tell_failures(bring_up_to_date(load(), [], cluster)):
        raise KdpipeError(f"dis {best.dis} is the best of {best.pair} on {choice}, but the report failed")
    comparisons = json.loads((REPORTS_DIR / "benchmark.json").read_text())["comparisons"]
    wanted = (DISTILLED_BASELINE, best.pair, str(best.dis))
    its = [one for one in comparisons if (one["kind"], one["pair"], one["dis"]) == wanted]
    return Answer(best, found, choice, measure, its)


def _log(tracking: Tracking, rows: Sequence[dict[str, Any]]) -> None:
    """Put the trials into MLflow, which may be away after hours of search: the answer is worth more."""
    try:
        log_trials(tracking, rows)
    except KdpipeError as error:
        console.print(f"[yellow]warning:[/] the trials are not in MLflow: {escape(str(error))}")


def _pairs(params: Params, pairs: Sequence[str]) -> list[str]:
    trained = [name for name, pair in params.pairs.items() if not pair.distilled]
    for name in pairs:
        if name not in trained:
            raise ParamsError(f"pairs.{name}", f"no pair that is trained; there are {', '.join(trained)}")
    return list(pairs) or trained


def _splits(params: Params) -> tuple[str, str]:
    splits = measured_splits(params, load_manifest(DATASET_DIR))
    if splits[0] == splits[-1]:
        raise ParamsError(
            "validate.splits",
            f"only {splits[0]} is there: what is chosen on it must be measured on another; "
            "give the data a test split, and write [val, test]",
        )
    return splits[0], splits[-1]


def _measure(
    some: Sequence[tuple[Trial, int]], before: Sequence[float], split: str, cluster: RayCluster
) -> list[float | None]:
    """Train, validate and evaluate these; AP on the split of each, or None where that failed."""
    cells = [distill_cell(trial.pair, trial.dis, seed) for trial, seed in some]
    _write_dis([*before, *dict.fromkeys(trial.dis for trial, _ in some if trial.dis not in before)])
    targets = dict.fromkeys(f"evaluate_{cell.stage}" for cell in cells)
    outcome = bring_up_to_date(load(), list(targets), cluster)
    tell_failures(outcome)
    done = {stage.name for stage in outcome.done}
    return [_ap(cell.eval_dir, split) if f"evaluate_{cell.stage}" in done else None for cell in cells]


def _ap(folder: Path, split: str) -> float:
    heads = load_metrics(folder)[split]
    return heads[preferred_head(heads)][METRIC]


def _write_dis(values: Sequence[float]) -> None:
    """Into params.yaml, where comments and the rest stay as they are."""
    with modify_yaml(PARAMS_FILE) as content:
        written = content["sweep"]["dis"]
        if list(written) != list(values):
            written.clear()  # the same list, which a comment hangs on
            written.extend(values)


def _row(trial: Trial, split: str) -> dict[str, float | str]:
    return {
        "pair": trial.pair,
        "dis": trial.dis,
        "seeds": len(trial.ap),
        "stopped": float(trial.stopped),
        **({f"{split}/AP": trial.mean} if trial.ap else {}),
    }


def tell(answer: Answer) -> None:
    """Print the trials, and what the best of them gains."""
    table = Table("pair", "dis", "seeds", f"AP on {answer.choice}")
    for trial in sorted(answer.trials, key=lambda trial: (trial.pair, trial.dis)):
        ap = f"{percent(trial.mean)}{' (stopped)' if trial.stopped else ''}" if trial.ap else "failed"
        table.add_row(trial.pair, f"{trial.dis:g}", str(len(trial.ap)), ap)
    console.print(table)
    best = answer.best
    console.print(f"best on {answer.choice}: {best.pair} at dis {best.dis:g}; its gain on {answer.split}:")
    for found in answer.comparisons:
        its_gain = Gain(**found["gain"]) if found["gain"] else None
        console.print(f"  {HEAD_NAMES[found['head']]}: {gain(its_gain)} {found['verdict']}")
