"""Two methods, and one or two teachers, in one comparison, with real `dvc repro`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdpipe.cells.record import load_record
from tests.project import copy_of
from tests.test_pipeline import stages, tracked
from tests.yolo.test_backbone import NAME, saved_backbone

pytestmark = pytest.mark.slow


@pytest.mark.nightly
def test_two_methods_are_one_comparison(first_run: Path, tmp_path: Path) -> None:
    project = copy_of(first_run, tmp_path / "clone")
    project.edit("teachers.twin", {"model": "yolo26n", "init": "scratch", "train": {}})
    teachers = {"all": ["yolo26s", "twin"]}
    pair = {"student": "yolo26n", "teacher": teachers, "method": "predictions", "decay": {"stop": 0.5}}
    project.edit("pairs.n-s-predictions", pair)
    backbone = {"model": f"timm/{NAME}", "init": str(saved_backbone(tmp_path)), "train": {"epochs": 0}}
    project.edit("teachers.vit", backbone)
    project.edit("pairs.n-vit", {"student": "yolo26n", "teacher": "vit", "method": "backbone"})
    ran = stages(project.run("dvc", "repro").stdout)
    trained = [name for name in ran if name.startswith(("teacher", "baseline", "distill"))]
    assert sorted(trained) == [
        "distill@n-s-predictions-1.0-0",
        "distill@n-vit-1.0-0",
        "teacher@twin",
        "teacher@vit",
    ]
    folder = project.folder / "runs/distill"
    records = {name: load_record(folder / name / "1.0/0/train") for name in ("n-s", "n-s-predictions")}
    assert records["n-s"].identity.method is None
    assert records["n-s-predictions"].identity.method == {"method": "predictions", "decay": {"stop": 0.5}}
    assert len({record.weights_digest for record in records.values()}) == 2
    assert records["n-s-predictions"].identity.teacher == "yolo26s + twin"
    copies = project.folder / "models/pairs/n-s-predictions/seeds/0"
    assert sorted(path.name for path in copies.glob("*.pt")) == ["twin.pt", "yolo26s.pt"]
    comparisons = json.loads((project.folder / "reports/benchmark.json").read_text())["comparisons"]
    of_pair = [one for one in comparisons if one["pair"] == "n-s-predictions" and one["head"] == "e2e"]
    assert sorted(one["before"].split()[0] for one in of_pair) == ["twin", "yolo26n", "yolo26s"]
    table = (project.folder / "reports/benchmark.md").read_text()
    headline = table.split("## Students at their best `dis`")[1].split("## ")[0]
    assert [line.split("|")[3].strip() for line in headline.splitlines() if "yolo26n" in line] == [
        "l2",
        "predictions",
        "backbone",
    ]
    measured = project.folder / "runs/teacher/vit/eval/metrics.json"
    assert json.loads(measured.read_text()) == {"val": {}, "test": {}}
    runs = tracked(project)
    assert runs.loc["distill/n-s/1.0/0", "params.method"] == "l2"
    assert runs.loc["distill/n-s-predictions/1.0/0", "params.method"] == "predictions"
    assert runs.loc["distill/n-s-predictions/1.0/0", "params.decay"] == "{'stop': 0.5}"
    assert runs.loc["distill/n-vit/1.0/0", "params.backbones"] == f"['{NAME}']"

    project.edit("pairs.n-s-predictions.beta", 1.0)
    status = set(json.loads(project.run("dvc", "status", "--json").stdout))
    assert status == {"pick_teacher@n-s-predictions", "report", "page"}
    assert "1 training to run" in project.run("kdpipe", "check").stdout
