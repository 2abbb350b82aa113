"""Which trainings are exported: those that the report's answer compares."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from kdpipe.cells.cell import Cell, baseline_cell, distill_cell, teacher_for
from kdpipe.cells.exported import Exported
from kdpipe.cells.record import load_metrics, load_record
from kdpipe.models import names
from kdpipe.models.entries import AND, UNKNOWN, architecture
from kdpipe.models.formats import Format
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


def exports_of(params: Params, split: str, wanted: Format) -> list[Exported]:
    """What is exported to a format: those trainings that it can hold, with each of their heads.

    Args:
        params: All of params.yaml.
        split: The split that the best `dis` is chosen on.
        wanted: The format.
    """
    return [
        Exported(cell, wanted.name, head)
        for cell in to_export(params, split)
        if wanted.of_quantized or not is_quantized(cell)
        for head in heads_of(cell)
        if head in wanted.heads
    ]


def is_quantized(cell: Cell) -> bool:
    """Whether a finished training simulated INT8; Ultralytics exports it to few formats."""
    return bool(load_record(cell.train_dir).identity.arguments.get("quantize"))


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
