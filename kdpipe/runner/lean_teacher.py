"""A frozen teacher that computes what the distillation loss reads, and nothing else."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from ultralytics.nn.distill_model import DistillationModel
from ultralytics.nn.modules import Conv

Scores = dict[str, Any]
ACTIVATIONS: dict[type[nn.Module], str] = {nn.SiLU: "swish", nn.Identity: "none"}  # in oneDNN's words


class ClassScores(nn.Module):
    """A detection head without its boxes: the class scores of each branch, as logits.

    Takes the features of the neck's levels, (batch, channels, height, width) each, and returns
    scores of (batch, classes, all positions) in float32 where Ultralytics' loss looks for them.
    """

    def __init__(self, head: Any) -> None:
        """Take the layers that classify from `head`, and its place in the model."""
        super().__init__()
        self.f, self.i = head.f, head.i
        self.one2many: nn.ModuleList = head.cv3
        self.one2one: nn.ModuleList | None = getattr(head, "one2one_cv3", None)

    def forward(self, features: list[torch.Tensor]) -> Scores:
        """Classify every position, with each branch that there is."""
        if self.one2one is None:
            return _classify(self.one2many, features)
        return {
            "one2many": _classify(self.one2many, features),
            "one2one": _classify(self.one2one, features),
        }


class FusedConv(nn.Module):
    """A convolution and its activation in one call of oneDNN, which computes on a CPU; without gradients.

    PyTorch's own compiler makes the same calls (`torch/_inductor/fx_passes/mkldnn_fusion.py`); they have no
    public name, and need no compiling.
    """

    def __init__(self, convolution: nn.Conv2d, activation: str) -> None:
        """Take the weights of `convolution`; `activation` is a value of ACTIVATIONS."""
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self._dtype = self.weight.dtype
        padding, stride, dilation = (
            [int(side) for side in sides]
            for sides in (convolution.padding, convolution.stride, convolution.dilation)
        )
        self._geometry = padding, stride, dilation, convolution.groups
        self._activation = activation

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve in the type of the weights, which are laid out for images of the first size that comes."""
        images = images.to(self._dtype)
        if isinstance(self.weight, nn.Parameter):
            reorder: Callable[..., torch.Tensor] = torch._C._nn.mkldnn_reorder_conv2d_weight  # noqa: SLF001
            packed = reorder(self.weight.to_mkldnn(), *self._geometry, list(images.shape))
            del self.weight  # from the parameters: no optimizer or file could hold what takes its place
            self.weight = packed
        fused: Callable[..., torch.Tensor] = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001
        return fused(images, self.weight, self.bias, *self._geometry, self._activation, [], "")


def make_lean(model: DistillationModel, dtype: torch.dtype) -> None:
    """Drop the teacher's box branches and its decoding, fuse what follows a convolution into it.

    The head is replaced before Ultralytics fuses, because fusing a whole YOLO26 head drops the
    one-to-many branch, which the loss reads. What the loss reads changes by rounding only.

    Args:
        model: Student and teacher.
        dtype: What the teacher is to compute in on a CPU (a GPU's mixed precision is not its matter).
    """
    teacher = model.teacher_model
    layers = teacher.model
    layers[-1] = ClassScores(layers[-1])
    teacher.fuse(verbose=False)
    teacher.requires_grad_(False)
    device = next(teacher.parameters()).device.type
    if device != "mps":  # channels-last is wrong there
        teacher.to(memory_format=torch.channels_last)
    if device == "cpu":
        teacher.to(dtype)
        if has_onednn():
            _fuse_activations(teacher)
    # That of the old head went with it; Ultralytics has no public call.
    model._register_feature_hooks()  # noqa: SLF001


def has_onednn() -> bool:
    """Whether oneDNN computes convolutions with its own kernels, not those of another library."""
    return torch.backends.mkldnn.is_available() and platform.machine().lower() in ("x86_64", "amd64")


def _fuse_activations(teacher: nn.Module) -> None:
    for module in teacher.modules():
        if (
            isinstance(module, Conv)
            and type(module.conv) is nn.Conv2d  # not one that imitates integers
            and type(module.act) in ACTIVATIONS
        ):
            module.conv = FusedConv(module.conv, ACTIVATIONS[type(module.act)])
            module.act = nn.Identity()


def _classify(layers: nn.ModuleList, features: list[torch.Tensor]) -> Scores:
    levels = [layer(feature).flatten(2) for layer, feature in zip(layers, features, strict=True)]
    return {"scores": torch.cat(levels, dim=-1).float()}
