"""Print how far the trainings are, and the gains so far; it needs neither DVC nor MLflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import groupby
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from kdpipe.cells.cell import Cell, all_cells
from kdpipe.checks.progress import DONE, INTERRUPTED, RUNNING, Progress, progress
from kdpipe.errors import about, counted
from kdpipe.models.names import preferred_head
from kdpipe.params.load import load
from kdpipe.params.schema import Params
from kdpipe.report.fairness import unlike_pairs
from kdpipe.report.formatting import HEAD_NAMES, gain_of
from kdpipe.report.gains import Measurement, paired_gain
from kdpipe.report.question import question_of
from kdpipe.tracking.finished import FinishedCell


def tell(console: Console) -> None:
    """Print the trainings that have begun, a summary, and the gains of what is evaluated already."""
    tell_of(load(), console)


def tell_of(params: Params, console: Console) -> None:
    """Do so for these params."""
    now = progress(params)
    if now.count(RUNNING) + now.count(INTERRUPTED):
        console.print(_table(now))
    console.print(str(now))
    done = {training.cell for training in now.trainings if training.state == DONE}
    if found := list(_gains(params, done)):
        console.print("so far, provisional (each interval on its own):")
        for line in found:
            console.print(f"  {line}")


def _table(now: Progress) -> Table:
    table = Table("training", "state", "epoch", "left", box=SIMPLE_HEAD, pad_edge=False)
    for training in now.trainings:
        if training.state in (RUNNING, INTERRUPTED):
            left = now.left(training)
            time = "" if left is None else about(left)
            table.add_row(training.cell.id, training.state, f"{training.epoch} of {training.epochs}", time)
    return table


def _gains(params: Params, done: AbstractSet[Cell]) -> Iterator[str]:
    """A line per pair and `dis`: its gain on the primary head, on the last split that is evaluated.

    Seeds that must not be compared are left out, as in the report.
    """
    unlike = unlike_pairs(FinishedCell(cell, Path()).record for cell in done)
    question = question_of(params.evaluate, {})
    distilled = [cell for cell in all_cells(params) if cell.kind == "distill" and not cell.confirms]
    baselines = [cell for cell in all_cells(params) if cell.kind == "baseline" and not cell.confirms]
    for (pair, dis), cells in groupby(distilled, key=lambda cell: (cell.name, cell.dis)):
        student = params.pairs[pair].student
        before = _evaluated(cell for cell in baselines if cell.name == student and cell in done)
        after = _evaluated(cell for cell in cells if cell in done and cell.id not in unlike)
        if not before.keys() & after.keys():
            continue
        split, heads = list(next(iter(after.values())).metrics.items())[-1]
        head = question.head or preferred_head(heads)
        place = (split, head, question.metric)
        gain = paired_gain(_measured(before, *place), _measured(after, *place))
        seeds = counted(len(gain.per_seed), "seed")
        what = f"{pair}, dis {dis}, {HEAD_NAMES[head]} head, {split}"
        yield f"{what}: {gain_of(gain.mean, gain.low, gain.high)} points, {seeds}"


def _evaluated(cells: Iterable[Cell]) -> dict[int, FinishedCell]:
    """Those of the trainings that are evaluated, by seed."""
    finished = {cell.seed: FinishedCell(cell, Path()) for cell in cells}
    return {seed: one for seed, one in finished.items() if one.evaluated}


def _measured(
    finished: Mapping[int, FinishedCell], split: str, head: str, metric: str
) -> dict[int, Measurement]:
    return {
        seed: Measurement(one.metrics[split][head][f"coco/{metric}"], one.deviations(split, head, metric))
        for seed, one in finished.items()
    }
