"""The share of the distillation loss in what trains the neck."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kdpipe.runner.gradient import GradientShare
from tests.runner.test_methods import batch as batch  # noqa: PLC0414 - a fixture
from tests.runner.test_methods import model, saved, together

SETTINGS: list[dict[str, Any]] = [{"method": "l2"}, {"method": "predictions", "decay": {"stop": 0.5}}]


def trainer(pair: Any, compile_mode: bool | str = False) -> Any:
    scaler = torch.amp.GradScaler("cuda", enabled=False)
    return SimpleNamespace(model=pair, scaler=scaler, compile_mode=compile_mode)


def by_hand(pair: Any, batch: dict[str, Any], part: slice) -> float:
    """Norm of the gradient at the neck features, from a backward pass of its own."""
    losses, _ = pair(batch)
    features = list(pair._student_feats.values())[:3]
    for feature in features:
        feature.retain_grad()
    losses[part].sum().backward()
    return float(torch.cat([feature.grad.flatten() for feature in features]).norm())


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_ratio_of_both_gradients(settings: dict[str, Any], tmp_path: Path, batch: dict[str, Any]) -> None:
    pair = together(saved(tmp_path, "yolo26s"), model("yolo26n", 0), **settings)
    share = GradientShare()
    share.on_train_epoch_start(trainer(pair))
    pair(batch)
    assert share.value is not None
    assert share.value == pytest.approx(
        by_hand(pair, batch, slice(-1, None)) / by_hand(pair, batch, slice(0, -1)), rel=1e-4
    )
    first = share.value
    pair(batch)  # of the same epoch
    assert share.value == first
    pair.begin(5, 10)
    share.on_train_epoch_start(trainer(pair))
    pair(batch)
    assert (share.value == 0) == ("decay" in settings)


def test_measuring_changes_nothing(tmp_path: Path, batch: dict[str, Any]) -> None:
    found = []
    for measured in (False, True):
        pair = together(saved(tmp_path, "yolo26s"), model("yolo26n", 0), method="predictions")
        if measured:
            GradientShare().on_train_epoch_start(trainer(pair))
        losses, _ = pair(batch)
        losses.sum().backward()
        found.append({name: value.grad for name, value in pair.student_model.named_parameters()})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_none_with_compiled_layers(tmp_path: Path, batch: dict[str, Any]) -> None:
    """Their graph has no gradients at its features."""
    pair = together(saved(tmp_path, "yolo26s"), model("yolo26n", 0), method="predictions")
    share = GradientShare()
    share.on_train_epoch_start(trainer(pair, compile_mode="default"))
    pair(batch)
    assert share.value is None


def test_none_without_a_teacher_or_with_a_frozen_neck(tmp_path: Path, batch: dict[str, Any]) -> None:
    share = GradientShare()
    share.on_train_epoch_start(trainer(model("yolo26n", 0)))
    assert share.value is None
    pair = together(saved(tmp_path, "yolo26s"), model("yolo26n", 0), method="predictions")
    for layer in pair.student_model.model[:-1]:
        layer.requires_grad_(False)
    share.on_train_epoch_start(trainer(pair))
    pair(batch)
    assert share.value == 0
