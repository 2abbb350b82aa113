"""BatchNorm statistics anew, of a real model and prepared images."""

from __future__ import annotations

import random
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Data, Digits
from kdpipe.params.yaml_text import dump
from kdpipe.yolo import batch_statistics
from kdpipe.yolo.batch_statistics import BATCH, batch_norms, training_images, with_statistics_anew
from kdpipe.yolo.validation import opened
from tests.project import REPOSITORY

IMAGES, SIDE = 20, 64  # two batches, and a rest


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        digits = Digits(train=IMAGES, val=2, test=2, size=48)
        prepare(Data(source="digits", task="detect", digits=digits), folder / "dataset")
    return folder / "dataset/data.yaml"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny YOLO26 with weights by chance, and statistics that nothing has passed through yet."""
    from ultralytics import YOLO

    folder = tmp_path_factory.mktemp("weights")
    shutil.copyfile(REPOSITORY / "tests/yolo26-tiny.yaml", folder / "yolo26-tiny.yaml")
    torch.manual_seed(1)
    YOLO(folder / "yolo26n-tiny.yaml", task="detect").save(folder / "tiny.pt")
    return folder / "tiny.pt"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def anew(model: Any, data: Path) -> Any:
    return with_statistics_anew(model, data, imgsz=SIDE, device="cpu", log=Path("log.txt"))


def statistics(model: Any) -> list[torch.Tensor]:
    layers = batch_norms(model.model)
    return [value for layer in layers for value in (layer.running_mean, layer.running_var)]


def outputs(model: Any) -> torch.Tensor:
    torch.manual_seed(2)
    with torch.no_grad():
        return model.model.eval()(torch.rand(2, 3, SIDE, SIDE))[0]


def spoil(model: Any, by: float) -> None:
    for value in statistics(model):
        value.mul_(by)


def read_by_hand(path: Path) -> np.ndarray:
    """The digits are squares: nothing is padded."""
    pixels = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).transpose(2, 0, 1) / np.float32(255)


def test_statistics_are_those_of_the_batches_by_hand(weights: Path, data: Path) -> None:
    images, channels = training_images(data)
    assert (sorted(images), channels) == (sorted((data.parent / "images/train").glob("*.png")), 3)
    model = opened(weights).model.float().eval()
    first = next(one for one in model.modules() if isinstance(one, nn.Conv2d))
    means, variances = [], []
    for start in range(0, IMAGES - BATCH, BATCH):
        batch = np.stack([read_by_hand(path) for path in images[start : start + BATCH]])
        with torch.no_grad():
            values = first(torch.from_numpy(batch)).transpose(0, 1).flatten(1)
        means.append(values.mean(dim=1))
        variances.append(values.var(dim=1))
    assert len(means) == 2  # the rest of four images would count as much as a batch
    mean, variance = statistics(anew(opened(weights), data))[:2]
    assert torch.allclose(mean, torch.stack(means).mean(dim=0), atol=1e-5)
    assert torch.allclose(variance, torch.stack(variances).mean(dim=0), rtol=1e-4)


@pytest.mark.parametrize("by", [0.0, 25.0, float("nan")])
def test_spoilt_statistics_are_repaired(weights: Path, data: Path, by: float) -> None:
    """Also those that are not finite; and that of both heads, which run in every pass."""
    right = anew(opened(weights), data)
    spoilt = opened(weights)
    spoil(spoilt, by)
    assert not torch.allclose(outputs(spoilt), outputs(right), atol=0.1)
    repaired = anew(spoilt, data)
    assert torch.equal(outputs(repaired), outputs(right))
    assert all(torch.equal(*pair) for pair in zip(statistics(repaired), statistics(right), strict=True))


def test_nothing_else_of_the_model_changes_and_the_given_one_not_at_all(weights: Path, data: Path) -> None:
    given = opened(weights)
    before = deepcopy(given.model.state_dict())
    found = anew(given, data).model
    assert before.keys() == found.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in given.model.state_dict().items())
    for name, value in found.state_dict().items():
        statistic = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        assert torch.equal(value, before[name].to(value.dtype)) != statistic, name
    assert not any(module.training for module in found.modules())
    assert {one.momentum for one in batch_norms(found)} == {one.momentum for one in batch_norms(given.model)}


def test_chance_is_left_alone_and_plays_no_part(weights: Path, data: Path) -> None:
    found = []
    for seed in (1, 2):
        for seeding in (torch.manual_seed, random.seed, np.random.seed):
            seeding(seed)
        states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
        found.append(statistics(anew(opened(weights), data)))
        assert torch.equal(torch.get_rng_state(), states[0])
        assert random.getstate() == states[1]
        assert np.array_equal(np.random.get_state()[1], states[2])  # noqa: NPY002
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_a_fused_model_has_no_statistics(weights: Path, data: Path) -> None:
    model = opened(weights)
    model.model.fuse(verbose=False)
    assert anew(model, data) is None


def test_one_image_has_no_statistics(weights: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data.parent, tmp_path / "dataset")
    for path in sorted((tmp_path / "dataset/images/train").iterdir())[1:]:
        path.unlink()
    assert anew(opened(weights), tmp_path / "dataset/data.yaml") is None


def test_layers_that_no_image_reaches_keep_theirs() -> None:
    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reached, self.other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
            self.other.running_var.fill_(7)
            self.other.num_batches_tracked.fill_(9)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.reached(images)

    model = Partly().eval()
    batch_statistics.compute_anew(model, [torch.full((2, 3, 4, 4), 5.0)])
    assert model.reached.running_mean.tolist() == [5, 5, 5]
    assert model.other.running_var.tolist() == [7, 7, 7]
    assert model.other.num_batches_tracked == 9


def test_of_many_images_only_some_are_read(
    weights: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the first ones: files that follow each other by name may look alike."""
    monkeypatch.setattr(batch_statistics, "BATCHES", 1)
    read = []
    exact = batch_statistics._read
    monkeypatch.setattr(
        batch_statistics, "_read", lambda path, *other: read.append(path) or exact(path, *other)
    )
    assert anew(opened(weights), data)
    names = sorted(path.name for path in (data.parent / "images/train").iterdir())
    assert len(read) == BATCH
    assert sorted(path.name for path in read) != names[:BATCH]


@pytest.mark.parametrize("channels", [1, 5])
def test_images_of_other_channels_are_read_as_they_are(tmp_path: Path, channels: int) -> None:
    (tmp_path / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE // 2, channels), np.uint8)
    for name in "ab":
        assert cv2.imwritemulti(f"images/{name}.tiff", list(pixels.transpose(2, 0, 1)))
    fields = {"train": "images", "val": "images", "names": ["a"], "channels": channels}
    (tmp_path / "data.yaml").write_text(dump(fields))
    images, found = training_images(tmp_path / "data.yaml")
    [batch] = batch_statistics.batches(images, found, SIDE)
    assert batch.shape == (2, channels, SIDE, SIDE)
    middle = batch[0, :, :, SIDE // 4 : -SIDE // 4] * 255
    assert np.array_equal(middle.round().numpy(), pixels.transpose(2, 0, 1))
    assert torch.all(batch[0, :, :, 0] * 255 == 114)  # Ultralytics' grey


def test_an_image_that_cannot_be_read_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data.parent, tmp_path / "dataset")
    broken = min((tmp_path / "dataset/images/train").iterdir())
    broken.write_bytes(b"no image")
    with pytest.raises(KdpipeError, match=f"{broken.name}: Ultralytics cannot read it"):
        for _ in batch_statistics.batches([broken], 3, SIDE):
            pass
