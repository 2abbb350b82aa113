"""Trained cells without trainings, reported from real runs in a real MLflow store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import made_up
from kdpipe.cells.cell import Cell, baseline_cell, distill_cell, teacher_cell
from kdpipe.cells.history import write_rows
from kdpipe.cells.record import Record, save_metrics
from kdpipe.evaluation import RESAMPLES_FILE, save_resamples
from kdpipe.params.schema import METRICS, Tracking
from kdpipe.report.fairness import unlike_pairs
from kdpipe.report.question import Question
from kdpipe.report.results import Results
from kdpipe.report.runs import tidy
from kdpipe.report.write import Report, write_report
from kdpipe.tracking import finished_cells, sync

SCORES = {  # cell: COCO AP on the e2e head; the classical head has 0.01 more, Ultralytics 0.02 less
    teacher_cell("yolo26s"): 0.50,
    baseline_cell("yolo26n", 0): 0.40,
    baseline_cell("yolo26n", 1): 0.42,
    baseline_cell("yolo26n", 2): 0.41,
    distill_cell("n-s", 1.0, 0): 0.45,
    distill_cell("n-s", 1.0, 1): 0.471,
    distill_cell("n-s", 1.0, 2): 0.459,
    distill_cell("n-s", 6, 0): 0.30,
    distill_cell("n-s", 6, 1): 0.48,
    distill_cell("n-s", 6, 2): 0.42,
}

HISTORY = [
    {"epoch": 1, "seconds": 4.0, "ended": 1_700_000_004.5, "train/box_loss": 2.5, "metrics/mAP50-95": 0.1},
    {"epoch": 2, "seconds": 9.0, "ended": 1_700_000_009.5, "train/box_loss": 2.0, "metrics/mAP50-95": 0.2},
]
SYSTEM = [{"ended": 1_700_000_010.0, "system/cpu_utilization_percentage": 90.0}]


def record_of(cell: Cell) -> Record:
    return made_up.record_of(cell, "yolo26n", "yolo26s", epochs=2)


def finish(cell: Cell, score: float, heads: tuple[str, ...] = ("e2e", "nms")) -> None:
    """Write what a trained, validated and evaluated cell leaves on disk."""
    for folder in (cell.train_dir, cell.val_dir, cell.eval_dir):
        folder.mkdir(parents=True)
    write_rows(cell.train_dir / "history.csv", HISTORY)
    write_rows(cell.train_dir / "system.csv", SYSTEM)
    for folder in (Path(), cell.train_dir):
        (folder / "params.yaml").write_text("sweep: {dis: [1.0, 6], seeds: [0, 1, 2]}\n")
    record_of(cell).save(cell.train_dir)
    values = {"e2e": score, "nms": score + 0.01}
    times = {"ms/inference": 2.0 if "teacher" in cell.id else 1.0, "ms/postprocess": 0.5}
    own = {head: {"mAP50-95": values[head] - 0.02, "mAP50": 0.6, "class/0": 0.3, **times} for head in heads}
    coco = {head: evaluated(values[head]) for head in heads}
    save_metrics(cell.val_dir, {"val": own, "test": own})
    save_metrics(cell.eval_dir, {"val": coco, "test": coco})
    noise = np.random.default_rng(len(cell.id)).normal(0, 0.002, 200)
    resamples = {
        f"{split}/{head}/{metric}": noise for split in ("val", "test") for head in heads for metric in METRICS
    }
    save_resamples(resamples, cell.eval_dir / RESAMPLES_FILE)


def evaluated(ap: float) -> dict[str, float]:
    found = {f"coco/{name}": ap for name in ("AP", "AP50", "AP75", "APs", "APm")}
    found |= {"coco/class/0": ap - 0.1, "coco/class/1": 0.4, "coco/class/2": ap + 0.1}
    return found | {"error/classification": 0.5 - ap, "error/duplicate": 0.01}


def finish_all() -> None:
    """Finish every cell of SCORES."""
    for cell, score in SCORES.items():
        finish(cell, score)


def trained_otherwise(cell: Cell) -> None:
    """Change the record of a finished cell, so that it must not be compared with one of another batch."""
    record = record_of(cell)
    replace(record, arguments={**record.arguments, "batch": 8}).save(cell.train_dir)


def results_of(cells: Iterable[Cell], splits: Sequence[str], question: Question) -> Results:
    finished = finished_cells(cells)
    runs = [run.to_dictionary() for run in sync(Tracking(experiment="test"), finished).runs.values()]
    return tidy(runs, splits, {cell.cell.id: cell for cell in finished}, question)


def report(
    cells: Sequence[Cell],
    splits: Sequence[str] = ("val", "test"),
    question: Question | None = None,
    confirmed: Sequence[Cell] = (),
) -> Report:
    """Report on finished cells, and on those with the seeds of `kdpipe confirm`."""
    asked = question or Question()
    histories = {cell.cell.id: cell.history for cell in finished_cells(cells)}
    unlike = unlike_pairs(cell.record for cell in finished_cells([*cells, *confirmed]))
    new = results_of(confirmed, splits, asked) if confirmed else None
    results = results_of(cells, splits, asked)
    return write_report(results, histories, unlike, ["a note"], images=384, confirmed=new)
