"""A student that starts from a teacher, beside one that does not, with real `dvc repro`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdpipe.cells.record import Identity, load_record
from tests.project import TINY_STUDENT, Project, copy_of
from tests.test_pipeline import stages

pytestmark = pytest.mark.slow


def identity(project: Project, folder: str) -> Identity:
    return load_record(project.folder / folder / "train").identity


@pytest.mark.nightly
def test_a_start_from_a_teacher_concerns_its_own_student_only(first_run: Path, tmp_path: Path) -> None:
    project = copy_of(first_run, tmp_path / "clone")
    student = {"model": TINY_STUDENT["model"], "init": {"from": "yolo26s"}}
    project.edit("students.started", student)
    project.edit("pairs.started-s", {"student": "started", "teacher": "yolo26s"})
    said = project.run("dvc", "repro").stdout
    assert "tensors, 100 % of the weights -> models/starts/started/0/start.pt" in said
    trained = {"baseline@started-0", "distill@started-s-1.0-0"}
    assert {name for name in stages(said) if name.startswith(("teacher", "baseline", "distill"))} == trained
    found = [
        identity(project, folder) for folder in ("runs/baseline/started/0", "runs/distill/started-s/1.0/0")
    ]
    assert {one.init for one in found} == {"from yolo26s"}
    assert len({one.init_digest for one in found}) == 1
    assert identity(project, "runs/baseline/yolo26n/0").init == "scratch"
    info = json.loads((project.folder / "models/starts/started/0/start.json").read_text())
    assert info["from"] == "yolo26s"
    assert info["tensors"] == info["of_tensors"] > 100
    assert json.loads((project.folder / "models/starts/yolo26n/0/start.json").read_text()) == {"from": None}
    assert "up to date" in project.run("dvc", "status").stdout

    project.edit("teachers.yolo26s.train.epochs", 2)
    assert "4 trainings to run" in project.run("kdpipe", "check").stdout  # all but the other baseline
    ran = stages(project.run("dvc", "repro").stdout)
    assert {"start@started", "baseline@started-0", "distill@n-s-1.0-0"} <= {*ran}
    assert "baseline@yolo26n-0" not in ran
    assert identity(project, "runs/baseline/started/0").init_digest != found[0].init_digest
