from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Data, Digits, Validate
from kdpipe.yolo import validation


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    digits = Digits(train=8, val=8, test=8, size=64)
    prepare(Data(source="digits", task="detect", digits=digits), tmp_path / "dataset")
    return tmp_path / "dataset/data.yaml"


def validate(weights: Path, dataset: Path, head: str) -> tuple[dict[str, float], list[dict[str, Any]]]:
    log = dataset.parent.parent / "validate.log"
    options = Validate(batch=8, conf=1e-6)
    model = validation.opened(weights)
    return validation.validate(
        model, dataset, "val", head, options, images=8, imgsz=64, device="cpu", log=log
    )


def test_each_head_is_the_one_that_was_asked_for(
    teacher_weights: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ultralytics.models.yolo.detect import DetectionValidator

    used = []
    finish = DetectionValidator.finalize_metrics

    def spy(self: DetectionValidator) -> None:
        used.append(bool(self.end2end))
        finish(self)

    monkeypatch.setattr(DetectionValidator, "finalize_metrics", spy)
    for head in ("e2e", "nms"):
        metrics, predictions = validate(teacher_weights, dataset, head)
        assert predictions
        images = {path.name for path in (dataset.parent / "images/val").iterdir()}
        assert {entry["file_name"] for entry in predictions} <= images
        assert {
            "precision",
            "recall",
            "mAP50",
            "mAP50-95",
            "class/0",
            "class/9",
            "ms/inference",
        } <= metrics.keys()
    assert used == [True, False]
    assert not list(dataset.parent.parent.rglob("predictions.json")), "millions of lines for a large split"


def test_a_family_without_the_head_is_refused(dataset: Path, tmp_path: Path) -> None:
    """Ultralytics only warns, and both columns of a table would be the same."""
    from ultralytics import YOLO

    YOLO("yolo11n.yaml").save(tmp_path / "yolo11n.pt")
    with pytest.raises(KdpipeError, match="asked for the e2e head"):
        validate(tmp_path / "yolo11n.pt", dataset, "e2e")
