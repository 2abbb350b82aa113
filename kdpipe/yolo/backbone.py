"""Pretrained image backbones of timm, such as DINOv2 and DINOv3, as teachers."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from kdpipe.errors import KdpipeError, counted, did_you_mean
from kdpipe.models.names import ModelName, of_backbone
from kdpipe.models.weights import Weights

NOT_INSTALLED = "timm is not installed; run `pip install 'kdpipe[backbones]'`"
HEADS = ("head.", "fc_norm.")  # weights that features do not need


class Backbone(nn.Module):
    """A frozen backbone that returns the features of its last block.

    Takes images in RGB from 0 to 1, (batch, 3, height, width), and returns features, (batch, channels,
    height / patch, width / patch). The images are scaled so that their sides are whole numbers of patches.
    """

    def __init__(self, name: str, path: Path) -> None:
        """Build a model of timm with the weights of a .safetensors file.

        Raises:
            KdpipeError: if timm is not installed or has no such model, or the file has other weights.
        """
        super().__init__()
        self.mean: torch.Tensor
        self.deviation: torch.Tensor
        if find_spec("timm") is None:
            raise KdpipeError(NOT_INSTALLED)
        timm: Any = import_module("timm")
        if not timm.is_model(name):
            hint = did_you_mean(name, timm.list_models())
            raise KdpipeError(f"timm {timm.__version__} has no {name!r}; {hint}")
        try:
            self.model: Any = timm.create_model(name, num_classes=0, dynamic_img_size=True)
        except TypeError as error:
            raise KdpipeError(f"{name} is no vision transformer ({error})") from error
        self._load(name, path)
        settings = timm.data.resolve_model_data_config(self.model)
        mean, deviation = (torch.tensor(settings[key])[:, None, None] for key in ("mean", "std"))
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.patch = int(self.model.patch_embed.patch_size[0])
        self.channels = int(self.model.num_features)
        self.eval().requires_grad_(False)

    def _load(self, name: str, path: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            weights = load_file(path)
            missing, unexpected = self.model.load_state_dict(weights, strict=False)
        except (SafetensorError, RuntimeError, OSError) as error:
            raise KdpipeError(f"{path} does not have the weights of {name}: {error}") from error
        unexpected = [key for key in unexpected if not key.startswith(HEADS)]
        if missing or unexpected:
            differing = ", ".join([*missing, *unexpected][:3])
            raise KdpipeError(
                f"{path} does not have the weights of {name}: {counted(len(missing), 'tensor')} missing, "
                f"{len(unexpected)} of another model ({differing})"
            )

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of images."""
        height, width = (max(round(side / self.patch), 1) * self.patch for side in images.shape[-2:])
        if (height, width) != images.shape[-2:]:
            images = functional.interpolate(images, (height, width), mode="bilinear", antialias=True)
        images = (images - self.mean) / self.deviation
        features: torch.Tensor = self.model.forward_intermediates(
            images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )[-1]
        return features


def inspect_backbone(architecture: ModelName, path: Path, imgsz: int) -> Weights:
    """Read the properties of a backbone; `gflops` is for one image of `imgsz` pixels.

    Args:
        architecture: The model of timm.
        path: Its weights, a .safetensors file.
        imgsz: Side of an image in pixels.

    Raises:
        KdpipeError: if the file does not have the weights of this model.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imports triton

    model = Backbone(str(architecture.backbone), path)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, imgsz, imgsz))
    return Weights(
        model=of_backbone(str(architecture)),
        names=[],
        channels=3,
        parameters=sum(weight.numel() for weight in model.parameters()),
        gflops=round(counter.get_total_flops() / 1e9, 3),
        unfinished=False,
        quantized=False,
        data=None,
        imgsz=None,
    )
