"""`export.formats` as a user writes it: real `dvc repro` that exports, measures again, and reports."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from tests.project import Project
from tests.test_pipeline import stages

pytestmark = pytest.mark.slow
HEADS = ("e2e", "nms")


@pytest.fixture(scope="module")
def exported(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A finished comparison that was asked for two formats afterwards, and what `dvc repro` printed."""
    folder = tmp_path_factory.mktemp("exported") / "project"
    shutil.copytree(first_run / "copy", folder, symlinks=True)
    project = Project(folder)
    project.edit("export.formats", ["onnx", "tensorrt-fp16"])
    left = folder / "models/exported/onnx/baseline/part-killed"
    left.mkdir(parents=True)
    (left / "best.pt").touch()
    return project, project.run("dvc", "repro").stdout


def files(project: Project) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in (project.folder / "models/exported").rglob("*.onnx")}


def test_only_what_is_new_is_done(exported: tuple[Project, str]) -> None:
    _, printed = exported
    new = ["export@onnx", "export@tensorrt-fp16", "validate_export@onnx", "validate_export@tensorrt-fp16"]
    assert sorted(stages(printed)) == sorted([*new, "report", "page"])


def test_what_a_killed_export_has_left_is_removed(exported: tuple[Project, str]) -> None:
    """It would be a part of the output that DVC keeps."""
    project, _ = exported
    assert not list((project.folder / "models/exported").rglob("*.pt"))


def test_each_head_of_the_compared_trainings_is_exported(exported: tuple[Project, str]) -> None:
    project, _ = exported
    folder = project.folder / "models/exported/onnx"
    cells = ("baseline/yolo26n/0", "distill/n-s/1.0/0", "teacher/yolo26s")
    assert set(files(project)) == {folder / cell / head / "best.onnx" for cell in cells for head in HEADS}
    for cell in cells:
        for head in HEADS:
            said = json.loads((folder / cell / head / "export.json").read_text())
            record = next(
                path for path in _records(project) if json.loads(path.read_text())["identity"]["cell"] == cell
            )
            assert said["made_of"]["fingerprint"] == json.loads(record.read_text())["fingerprint"]


def _records(project: Project) -> list[Path]:
    return [
        path
        for place in ("models/teachers", "runs")
        for path in (project.folder / place).rglob("record.json")
    ]


def test_an_exported_file_measures_what_its_checkpoint_measures(exported: tuple[Project, str]) -> None:
    """In 32 bits, on the square images of the embedded data, on each head, which differ from each other."""
    project, _ = exported
    for cell in ("baseline/yolo26n/0", "distill/n-s/1.0/0"):
        own = json.loads((project.folder / f"runs/{cell}/val/metrics.json").read_text())["test"]
        found = json.loads((project.folder / f"runs/exported/onnx/{cell}/val/metrics.json").read_text())[
            "test"
        ]
        for head in HEADS:
            assert found[head]["mAP50-95"] == pytest.approx(own[head]["mAP50-95"], abs=1e-4)
            assert found[head]["latency/low"] <= found[head]["latency/median"] <= found[head]["latency/high"]


def test_the_report_says_what_became_of_the_gain(exported: tuple[Project, str]) -> None:
    project, printed = exported
    text = (project.folder / "reports/benchmark.md").read_text()
    assert "## Exported" in text
    assert "- `tensorrt-fp16` was skipped: it needs an NVIDIA GPU, and train.device is cpu here." in text
    rows = pd.read_csv(project.folder / "reports/numbers/exports.csv")
    assert list(zip(rows["head"], rows["format"], strict=True)) == [
        (head, name) for head in HEADS for name in (".pt", "onnx")
    ]
    assert rows["change"].dropna().abs().max() < 1e-3
    assert " onnx (n-s, e2e head)" in printed


def test_the_runs_have_it_too(exported: tuple[Project, str]) -> None:
    project, _ = exported
    mlflow.set_tracking_uri(f"sqlite:///{project.folder}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["test"], filter_string="tags.cell = 'baseline/yolo26n/0'")
    assert isinstance(runs, pd.DataFrame)
    own, found = (runs[f"metrics.{prefix}test/e2e/mAP50-95"].item() for prefix in ("", "export/onnx/"))
    assert found == pytest.approx(own, abs=1e-4)


def test_the_best_student_is_written_ready_to_ship(exported: tuple[Project, str]) -> None:
    project, _ = exported
    said = project.run("kdpipe", "export", "n-s", "--format", "onnx").stdout
    folder = project.folder / "exports/n-s-onnx-e2e"
    assert "distill/n-s/1.0/0 -> exports/n-s-onnx-e2e" in said
    assert {path.name for path in folder.iterdir()} == {"best.onnx", "example.py", "README.md"}
    card = (folder / "README.md").read_text()
    record = json.loads((project.folder / "runs/distill/n-s/1.0/0/train/record.json").read_text())
    for text in (record["fingerprint"], record["identity"]["data_digest"], "e2e head", "AGPL-3.0", "| onnx"):
        assert text in card
    assert "scores differ by 0.0000" in card
    image = next((project.folder / "data/dataset/images/test").glob("*"))
    answer = project.run(sys.executable, str(folder / "example.py"), str(image))
    assert str(image) in answer.stdout
    mlflow.set_tracking_uri(f"sqlite:///{project.folder}/mlflow.db")
    (version,) = mlflow.MlflowClient().search_model_versions("name = 'test-n-s'")
    assert version.tags["export.n-s-onnx-e2e"] == f"runs:/{version.run_id}/export/n-s-onnx-e2e"
    assert "export/n-s-onnx-e2e" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["n-s"], "exports/n-s-onnx-e2e exists; remove it, or name another folder with --out"),
        (["n-m"], "no pair 'n-m' in params.yaml; did you mean 'n-s'"),
        (["n-s", "--format", "onxx"], "error: --format 'onxx' is no format; did you mean 'onnx'"),
        (["n-s", "--head", "e2"], "onnx of n-s has no e2 head; did you mean 'e2e'"),
        (
            ["n-s", "--format", "tensorrt-fp16"],
            "tensorrt-fp16: it needs an NVIDIA GPU, and train.device is cpu here",
        ),
    ],
)
def test_each_mistake_is_said(exported: tuple[Project, str], arguments: list[str], words: str) -> None:
    project, _ = exported
    (project.folder / "exports/n-s-onnx-e2e").mkdir(parents=True, exist_ok=True)
    answer = project.run("kdpipe", "export", *arguments, check=False)
    assert answer.returncode == 2
    assert words in " ".join((answer.stdout + answer.stderr).split())


def test_another_format_leaves_what_is_exported(exported: tuple[Project, str]) -> None:
    """Also when the stage runs again, as after a kill."""
    project, _ = exported
    before = files(project)
    project.edit("export.formats", ["onnx", "torchscript"])
    project.run("dvc", "repro")
    assert files(project) == before
    (project.folder / "models/exported/onnx/teacher/yolo26s/nms/export.json").unlink()
    project.run("dvc", "repro", "--force", "--single-item", "export@onnx")
    changed = {path for path, time in files(project).items() if time != before[path]}
    assert {str(path.relative_to(project.folder)) for path in changed} == {
        "models/exported/onnx/teacher/yolo26s/nms/best.onnx"
    }
    assert "| torchscript" in (project.folder / "reports/benchmark.md").read_text()
