"""Which trainings are exported: those that the report's answer compares."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from kdpipe.cells.cell import Cell, baseline_cell, distill_cell, teacher_for
from kdpipe.cells.record import load_metrics, load_record
from kdpipe.models import names
from kdpipe.models.entries import AND, UNKNOWN, architecture
from kdpipe.models.names import preferred_head
from kdpipe.params.schema import Params


def to_export(params: Params, split: str) -> list[Cell]:
    """The students of each pair at its best `dis`, their baselines, and their teachers that have a head.

    Args:
        params: All of params.yaml.
        split: The split that the best `dis` is chosen on.
    """
    found = (cell for pair in params.pairs for cell in _of_pair(params, pair, split))
    return list({cell.id: cell for cell in found}.values())


def heads_of(cell: Cell) -> tuple[str, ...]:
    """The heads that the model of a finished training has."""
    return names.read(load_record(cell.train_dir).identity.model).heads


def best_dis(params: Params, pair: str, split: str) -> int | float:
    """The best `dis` of a pair, as the report chooses it: by the primary metric of the primary head.

    Args:
        params: All of params.yaml.
        pair: Name of the pair.
        split: The split that it is chosen on.
    """
    primary, student = params.evaluate.primary, params.pairs[pair].student
    head = primary.head or preferred_head(architecture(student, params.students[student]).heads)

    def mean(dis: int | float) -> float:
        cells = (distill_cell(pair, dis, seed) for seed in params.sweep.seeds)
        return fmean(load_metrics(cell.eval_dir)[split][head][f"coco/{primary.metric}"] for cell in cells)

    values: list[int | float] = sorted(params.sweep.dis)
    return max(values, key=mean)


def _of_pair(params: Params, pair: str, split: str) -> Iterator[Cell]:
    dis = best_dis(params, pair, split)
    students = [distill_cell(pair, dis, seed) for seed in params.sweep.seeds]
    yield from (baseline_cell(params.pairs[pair].student, seed) for seed in params.sweep.seeds)
    yield from students
    named = load_record(students[0].train_dir).identity.teacher or UNKNOWN
    if named != UNKNOWN:
        for name in named.split(AND):
            teachers = (teacher_for(params, name, seed) for seed in params.sweep.seeds)
            yield from (teacher for teacher in teachers if heads_of(teacher))
