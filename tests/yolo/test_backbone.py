"""Pretrained backbones of timm as teachers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kdpipe.errors import KdpipeError
from kdpipe.models.names import of_backbone, read
from kdpipe.yolo.backbone import Backbone, inspect_backbone

NAME = "test_vit"  # of timm: 0.3 million parameters, patches of 16 pixels


def saved_backbone(folder: Path, name: str = NAME, seed: int = 0, **options: Any) -> Path:
    """Random weights of a model of timm, as its authors publish them."""
    import timm  # takes seconds
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    path = folder / f"{name}.safetensors"
    save_file(timm.create_model(name, **options).state_dict(), path)
    return path


@pytest.mark.parametrize("name", [NAME, "vit_tiny_patch16_dinov3_qkvb"])
def test_features_are_those_of_timm(name: str, tmp_path: Path) -> None:
    model = Backbone(name, saved_backbone(tmp_path, name))
    images = torch.rand(2, 3, 96, 160)
    features = model(images)
    assert features.shape == (2, model.channels, 6, 10)
    mean, deviation = (torch.tensor(model.model.pretrained_cfg[key]) for key in ("mean", "std"))
    seen = (images - mean[:, None, None]) / deviation[:, None, None]
    with torch.no_grad():
        tokens = model.model.forward_features(seen)[:, model.model.num_prefix_tokens :]
    assert torch.allclose(features.flatten(2).transpose(1, 2), tokens, atol=1e-4)
    assert not any(weight.requires_grad for weight in model.parameters())
    assert model(torch.rand(2, 3, 90, 165)).shape == (2, model.channels, 6, 10)


def test_what_a_backbone_is(tmp_path: Path) -> None:
    architecture = read(f"timm/{NAME}")
    assert architecture == of_backbone(f"timm/{NAME}")
    assert str(architecture) == f"timm/{NAME}"
    assert architecture.heads == ()
    found = inspect_backbone(architecture, saved_backbone(tmp_path), 96)
    assert (found.channels, found.names) == (3, [])
    assert 250_000 < found.parameters < 310_000
    assert found.gflops > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_vitt", "has no 'test_vitt'; did you mean 'test_vit"),
        ("test_convnext", "test_convnext is no vision transformer"),
        ("vit_tiny_patch16_224", "does not have the weights of vit_tiny_patch16_224"),
        ("test_vit2", "does not have the weights of test_vit2"),
    ],
)
def test_another_model_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(KdpipeError, match=message):
        Backbone(name, saved_backbone(tmp_path))


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(KdpipeError, match="does not have the weights of test_vit"):
        Backbone(NAME, path)
