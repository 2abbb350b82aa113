"""Finished checkpoints on COCO images, through every step but DVC."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.cells import DATASET_DIR, all_cells
from kdpipe.choose_teacher import choose_teacher
from kdpipe.data import prepare
from kdpipe.evaluate_cell import evaluate_cell
from kdpipe.preflight import preflight
from kdpipe.records import unlike_pairs
from kdpipe.report.files import write_report
from kdpipe.report.results import tidy
from kdpipe.tracking import finished_cells, runs_table, sync
from kdpipe.train_cell import train_cell
from kdpipe.validate_cell import validate_cell

MODELS = ("yolo26n", "yolo11n")
NOT_FOR_TRAINING = {"imgsz": 640, "device": "cpu"}


@pytest.mark.slow
@pytest.mark.shared_data
def test_coco_models_on_coco_images(shared_data: Path, write_params: Callable[..., Path]) -> None:
    weights = {name: str(shared_data / f"weights/{name}-coco-from-int8.pt") for name in MODELS}
    params = preflight(
        write_params(
            data={"source": str(shared_data / "coco128"), "task": "detect"},
            students={name: {"init": path, "train": {"epochs": 0}} for name, path in weights.items()},
            pairs={
                name: {"student": name, "teacher": "unknown", "distilled": path}
                for name, path in weights.items()
            },
            train=NOT_FOR_TRAINING,
        )
    )
    prepare(params.data, DATASET_DIR)
    for pair in params.pairs:
        choose_teacher(params, pair)
    cells = [cell for cell in all_cells(params) if cell.kind != "teacher"]
    for cell in cells:
        train_cell(params, cell)
        validate_cell(params, cell)
        evaluate_cell(params, cell)
    finished = finished_cells(cells)
    store, _ = sync(params.tracking, finished)
    runs = runs_table(store, [cell.record.fingerprint for cell in finished])
    results = tidy(runs, ["val"], {cell.cell.id: cell.resamples for cell in finished})
    report = write_report(results, {}, unlike_pairs(cell.record for cell in finished), [])

    found = results.lines(kind="baseline", student="yolo26n").set_index("head")
    assert found["coco/AP"].to_dict() == pytest.approx({"e2e": 0.45, "nms": 0.45}, abs=0.02)
    assert found.loc["e2e", "coco/AP"] != found.loc["nms", "coco/AP"]
    assert found["mAP50-95"].to_dict() == pytest.approx(found["coco/AP"].to_dict(), abs=0.015)
    assert set(results.lines(student="yolo11n")["head"]) == {"nms"}
    table = Path("reports/benchmark.md").read_text()
    line = next(row for row in table.splitlines() if row.startswith("| yolo11n"))
    assert [cell.strip() for cell in line.split("|")][-3:] == ["", "", ""]
    verdicts = {c.verdict for c in report.comparisons if c.pair in MODELS}
    assert verdicts == {"within noise (one seed)"}  # a model against itself
