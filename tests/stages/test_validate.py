"""Stage validate with a real checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdpipe.cells.cell import DATASET_DIR, baseline_cell
from kdpipe.cells.record import ANEW_METRIC, METRICS_FILE, load_record
from kdpipe.checks.preflight import preflight
from kdpipe.data.prepare import prepare
from kdpipe.params.schema import Params
from kdpipe.stages import validate as stage
from kdpipe.stages.start import make_start
from kdpipe.stages.train import train_cell
from kdpipe.yolo.batch_statistics import batch_norms
from kdpipe.yolo.precision import BFLOAT16, FLOAT32
from tests.project import REPOSITORY

pytestmark = pytest.mark.slow
CELL = baseline_cell("yolo26n", 0)
HEADS = ("e2e", "nms")


@pytest.fixture
def params(write_params: Callable[..., Path]) -> Params:
    """One tiny student, trained until it finds something."""
    shutil.copyfile(REPOSITORY / "tests/yolo26-tiny.yaml", "yolo26-tiny.yaml")
    train = {"epochs": 8, "warmup_epochs": 0.0, "optimizer": "AdamW", "lr0": 0.003, "translate": 0.0}
    train |= {"scale": 0.0, "fliplr": 0.0}
    changes = {f"train__{name}": value for name, value in train.items()} | {"data__digits__train": 240}
    path = write_params(students__yolo26n__model="yolo26n-tiny.yaml", **changes)
    params = preflight(path).params
    prepare(params.data, DATASET_DIR)
    make_start(params, CELL.name)
    train_cell(params, CELL)
    return params


def test_each_head_has_the_value_anew_on_the_first_split(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not depend on the stored statistics, and predictions are of these alone."""
    chosen = load_record(CELL.train_dir)
    name = BFLOAT16 if chosen.arguments["amp"] else FLOAT32
    assert chosen.environment["precision"].startswith(f"{name}: convolutions in bfloat16 take ")
    before = stage.validate_cell(params, CELL)
    assert json.loads((CELL.val_dir / METRICS_FILE).read_text()) == before
    assert all(ANEW_METRIC not in before["test"][head] for head in HEADS)
    assert all(ANEW_METRIC in before["val"][head] for head in HEADS)
    files = sorted(path.name for path in CELL.val_dir.iterdir())
    assert not [name for name in files if "anew" in name]

    exact = stage.opened

    def spoilt(weights: Path) -> Any:
        model = exact(weights)
        for layer in batch_norms(model.model):
            layer.running_var.mul_(30)
        return model

    monkeypatch.setattr(stage, "opened", spoilt)
    after = stage.validate_cell(params, CELL)
    for head in HEADS:
        assert after["val"][head]["mAP50-95"] != before["val"][head]["mAP50-95"]
        assert after["val"][head][ANEW_METRIC] == before["val"][head][ANEW_METRIC] > 0

    for path in sorted((DATASET_DIR / "images/train").iterdir())[1:]:
        path.unlink()  # there is nothing to compute them from
    without = stage.validate_cell(params, CELL)
    assert all(ANEW_METRIC not in without["val"][head] for head in HEADS)
