"""Students that learn from pretrained backbones."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ultralytics.nn.distill_model import DistillationModel

from kdpipe.models.names import FAMILIES
from kdpipe.runner.methods.backbone import BackboneModel, Direction
from tests.runner.test_methods import batch as batch  # noqa: PLC0414 - a fixture
from tests.runner.test_methods import check_resuming, model
from tests.runner.test_runner import job
from tests.runner.test_runner import project as project  # noqa: PLC0414 - a fixture
from tests.yolo.test_backbone import NAME, saved_backbone

SETTINGS = {"method": "backbone", "backbones": [NAME]}


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_the_students_backbone_and_the_projector_only(
    family: str, tmp_path: Path, batch: dict[str, Any]
) -> None:
    pair = BackboneModel([str(saved_backbone(tmp_path))], model(f"{family}n", 0), SETTINGS).train()
    loss, items = pair(batch)
    assert 0 < float(items["dis_loss"]) < 4  # dis 2, and 1 - cosine
    loss[-1].backward()
    end = len(pair.student_model.yaml["backbone"]) - 1
    reached = {name for name, value in pair.named_parameters() if value.grad is not None and value.grad.any()}
    layers = {int(name.split(".")[2]) for name in reached if name.startswith("student_model.")}
    assert layers == set(range(end + 1))
    assert {name.split(".")[0] for name in reached} == {"student_model", "projector"}
    assert not any(weight.requires_grad for weight in pair.teachers[0].parameters())


def test_equal_directions_have_no_loss() -> None:
    features = torch.rand(2, 8, 3, 3)
    loss = Direction(8, 8)
    loss.parts[0].forward = lambda given: given
    assert float(loss(SimpleNamespace(student=[features], teacher=[3 * features]))) == pytest.approx(
        0, abs=1e-5
    )
    assert float(loss(SimpleNamespace(student=[features], teacher=[-features]))) == pytest.approx(2, abs=1e-5)
    larger = torch.rand(2, 8, 6, 6)
    assert torch.isfinite(loss(SimpleNamespace(student=[features], teacher=[larger])))


def test_several_backbones_and_another_size(tmp_path: Path, batch: dict[str, Any]) -> None:
    paths = [str(saved_backbone(tmp_path)), str(saved_backbone(tmp_path, "test_vit2", seed=1))]
    settings = {**SETTINGS, "backbones": [NAME, "test_vit2"], "teacher_imgsz": 192}
    pair = BackboneModel(paths, model("yolo26n", 0), settings).train()
    assert len(pair.projector) == 2
    assert [outputs["features"][0].shape[-1] for outputs in pair._seen(batch["img"])] == [12, 12]
    pair(batch)[0].sum().backward()
    assert all(weight.grad is not None for weight in pair.projector.parameters())


def test_copies_and_checkpoints_hold_no_backbone(tmp_path: Path, batch: dict[str, Any]) -> None:
    pair = BackboneModel([str(saved_backbone(tmp_path))], model("yolo26n", 0), SETTINGS).train()
    pair(batch)
    duplicate = copy.deepcopy(pair)
    assert type(duplicate) is DistillationModel
    content = io.BytesIO()
    torch.save(duplicate, content)
    assert b"kdpipe" not in content.getvalue()
    assert b"timm" not in content.getvalue()


@pytest.mark.nightly
@pytest.mark.slow
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    wanted = job(project, saved_backbone(tmp_path), epochs=2)
    wanted = replace(wanted, identity=replace(wanted.identity, method=SETTINGS))
    check_resuming(wanted, tmp_path)
