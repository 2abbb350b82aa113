"""Finished checkpoints on COCO images, through every step but DVC."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.walk import through

MODELS = ("yolo26n", "yolo11n", "yolov8n")
NOT_FOR_TRAINING = {"imgsz": 320, "device": "cpu"}


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.shared_data
def test_coco_models_on_coco_images(shared_data: Path, write_params: Callable[..., Path]) -> None:
    weights = {name: str(shared_data / f"weights/{name}-coco-from-int8.pt") for name in MODELS}
    done = through(
        write_params(
            data={"source": str(shared_data / "coco128"), "task": "detect"},
            teachers={"yolo26n": {"init": weights["yolo26n"], "train": {"epochs": 0}}},
            students={name: {"init": path, "train": {"epochs": 0}} for name, path in weights.items()},
            pairs={
                name: {"student": name, "teacher": "unknown", "distilled": path}
                for name, path in weights.items()
            },
            train=NOT_FOR_TRAINING,
        )
    )
    results = done.results
    found = results.lines(kind="baseline", student="yolo26n").set_index("head")
    assert found["coco/AP"].to_dict() == pytest.approx({"e2e": 0.37, "nms": 0.36}, abs=0.02)
    assert found.loc["e2e", "coco/AP"] != found.loc["nms", "coco/AP"]
    assert found["mAP50-95"].to_dict() == pytest.approx(found["coco/AP"].to_dict(), abs=0.015)
    table = Path("reports/benchmark.md").read_text().split("## Students at their best `dis`")[1]
    for student in ("yolo11n", "yolov8n"):
        assert set(results.lines(student=student)["head"]) == {"nms"}
        line = next(row for row in table.splitlines() if row.startswith(f"| {student}"))
        assert [cell.strip() for cell in line.split("|")][-3:] == ["", "", ""]
    verdicts = {c.verdict for c in done.report.comparisons if c.pair in MODELS}
    assert verdicts == {"no gain worth having (one seed)"}  # a model against itself
