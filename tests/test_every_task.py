"""Every task through every step but DVC, as small as it gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

from kdpipe.cells.history import HISTORY_FILE, read_history
from kdpipe.cells.record import load_record
from kdpipe.models.tasks import TASKS
from tests.bad_inputs import shipped_yaml
from tests.project import REPOSITORY
from tests.walk import through

# After kdpipe.stages.train, which tests.stages imports, has isolated Ultralytics.
from ultralytics import YOLO  # isort: skip

OWN_LOSS = {
    "detect": "train/box_loss",
    "segment": "train/seg_loss",
    "pose": "train/pose_loss",
    "obb": "train/angle_loss",
}


def tiny_yaml(task: str) -> str:
    """A model yaml with the head that YOLO26 has for a task, on a few convolutions."""
    tiny = yaml.safe_load((REPOSITORY / "tests/yolo26-tiny.yaml").read_text())
    real = yaml.safe_load(shipped_yaml(f"26/yolo26{TASKS[task].suffix}").read_text())
    [[levels, *_]], [*_, [_, *head]] = tiny["head"], real["head"]
    return yaml.safe_dump(real | {"backbone": tiny["backbone"], "head": [[levels, *head]]})


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "models"),
    [
        *((task, "tiny") for task in OWN_LOSS if task != "detect"),  # which test_pipeline.py has
        *((task, "real") for task in OWN_LOSS),
    ],
)
def test_a_task_from_data_to_table(task: str, models: str, write_params: Callable[..., Path]) -> None:
    suffix = TASKS[task].suffix
    student, teacher = (
        {"init": "scratch", "model": f"yolo26{size}{suffix}{'-tiny.yaml' if models == 'tiny' else ''}"}
        for size in "ns"
    )
    path = write_params(
        data__task=task,
        train__epochs=1,
        students={"student": student},
        teachers={"teacher": teacher},
        pairs={"n-s": {"student": "student", "teacher": "teacher"}},
    )
    path.with_name(f"yolo26{suffix}-tiny.yaml").write_text(tiny_yaml(task))
    results = through(path).results
    assert results.task is TASKS[task]
    assert set(results.table["head"]) == {"e2e", "nms"}
    assert len(results.table) == 3 * 2 * 2  # cells, splits, heads
    assert results.table[["coco/AP", "coco/AP50", "mAP50-95"]].notna().all(axis=None)
    has_boxes_too = TASKS[task].has_boxes_too
    assert ("coco/box/AP" in results.table) == ("box/mAP50-95" in results.table) == has_boxes_too
    history = read_history(Path(f"runs/distill/n-s/1.0/0/train/{HISTORY_FILE}"))
    assert all(row["train/dis_loss"] > 0 and row[OWN_LOSS[task]] > 0 for row in history)
    assert "metrics/mAP50-95" in history[0]
    table = Path("reports/benchmark.md").read_text()
    assert f"**mAP50-95 is {TASKS[task].metric}**" in table
    assert ("COCO boxes" in table) == has_boxes_too
    assert TASKS[task].metric in Path("reports/index.html").read_text()
    check_registered()


@pytest.mark.nightly
@pytest.mark.slow
def test_an_own_model_yaml_is_trained(write_params: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/yolo26-mine.yaml").write_text(f"activation: torch.nn.ReLU()\n{tiny_yaml('detect')}")
    student = {"init": "scratch", "model": "models/yolo26n-mine.yaml"}
    larger = {"teachers__yolo26s__train": {"epochs": 1, "imgsz": 96}}
    path = write_params(
        students={"mine": student}, **{"pairs__n-s__student": "mine"}, train__epochs=1, **larger
    )
    reported = through(path)
    results = reported.results
    suspicious = "the teacher yolo26s is trained with imgsz 96, and sees the images of mine at 64"
    assert any(suspicious in warning for warning in reported.report.warnings)
    assert suspicious in Path("reports/benchmark.md").read_text()
    assert set(results.table["head"]) == {"e2e", "nms"}
    identity = load_record(Path("runs/distill/n-s/1.0/0/train")).identity
    assert identity.model == "models/yolo26n-mine.yaml"
    assert identity.model_digest is not None


def check_registered() -> None:
    """The best student is a model that MLflow loads, and that finds what Ultralytics finds."""
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/mlflow.db")
    image = str(next(Path("data/dataset/images/test").iterdir()))
    model = mlflow.pyfunc.load_model("models:/test-n-s@best")
    found = model.predict(pd.DataFrame({"image": [image]}), params={"conf": 1e-4})
    (expected,) = YOLO("runs/distill/n-s/1.0/0/train/best.pt").predict(
        image, nms=False, conf=1e-4, imgsz=64, verbose=False
    )
    assert len(found) == len(expected.summary()) > 0
    assert found["confidence"].tolist() == [item["confidence"] for item in expected.summary()]
    assert found["x1"].tolist() == [item["box"]["x1"] for item in expected.summary()]
    assert list(found.columns) == model.metadata.get_output_schema().input_names()
    runs = mlflow.search_runs(experiment_names=["test"], filter_string="tags.cell = 'distill/n-s/1.0/0'")
    (version,) = mlflow.MlflowClient().search_model_versions("name = 'test-n-s'")
    assert version.run_id == runs["run_id"].item()
    assert version.tags["dis"] == "1.0"
