"""Train arguments against what is known of models and data, which is more once the data is prepared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.cells.cell import DATASET_DIR
from kdpipe.checks.preflight import preflight
from kdpipe.data.prepare import prepare
from kdpipe.errors import ParamsError
from kdpipe.models.layer_count import layer_count
from kdpipe.models.names import names, parse
from kdpipe.params.load import load
from kdpipe.yolo.device import check_device, device_name
from tests.bad_inputs import _data

Write = Callable[..., Path]


def test_a_share_of_own_images_is_checked_before_they_are_copied(write_params: Write, tmp_path: Path) -> None:
    changes = {**_data()(tmp_path), "train__fraction": 0.1}
    path = write_params(**changes)
    message = r"train\.fraction: 0\.1 of 3 training images is not even one"
    with pytest.raises(ParamsError, match=message):
        preflight(path)
    DATASET_DIR.parent.mkdir(parents=True, exist_ok=True)
    prepare(load(path).data, DATASET_DIR)
    with pytest.raises(ParamsError, match=message):
        preflight(path)
    for index in range(3, 9):  # more images: they are counted when they are prepared
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            folder = tmp_path / "theirs" / kind / "train"
            shutil.copy(folder / f"0.{suffix}", folder / f"{index}.{suffix}")
    preflight(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"train__fraction": 1},
        {"train__fraction": 32},
        {"train__fraction": 0.02},
        {"train__imgsz": 32, "train__batch": 16},
        {"train__imgsz": 64, "train__batch": 1},
        {"train__imgsz": 64, "train__multi_scale": True},
        {"train__cache": "RAM"},
        {"train__freeze": 23},
        {"train__freeze": [0, "23.cv2"]},
        {"train__device": ""},
        {"train__device": "CPU"},
        {"train__workers": 0},
        {"train__compile": "reduce-overhead"},
        {"sweep__seeds": [4_000_000_000]},
    ],
    ids=str,
)
def test_what_works_is_not_refused(write_params: Write, changes: dict[str, object]) -> None:
    preflight(write_params(**changes))


def test_the_layers_of_every_model_are_known() -> None:
    assert {layer_count(parse(name)) for name in names()} <= set(range(20, 40))
    assert layer_count(parse("yolo26n")) == 24
    assert layer_count(parse("yolo26x-p6")) > 24


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "0", 0, "0,1"])
def test_a_gpu_on_a_machine_without_one(device: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ParamsError, match=r"GPU 0 is not there: this machine has no GPU; write auto"):
        check_device({"device": device})


def test_devices_have_their_own_names() -> None:
    """Results depend on them, so that one must not go under the name of another."""
    assert [device_name(device) for device in ("cpu", "mps", "npu:0", "xpu")] == ["CPU", "MPS", "NPU", "XPU"]
