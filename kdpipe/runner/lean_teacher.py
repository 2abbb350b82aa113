"""A frozen teacher that computes only the outputs that the distillation loss reads."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from ultralytics.nn.distill_model import DistillationModel
from ultralytics.nn.modules import Conv

from kdpipe.models.methods import BOXES, FEATURES, SCORES

Raw = dict[str, Any]
ACTIVATIONS: dict[type[nn.Module], str] = {nn.SiLU: "swish", nn.Identity: "none"}  # names in oneDNN


class RawHead(nn.Module):
    """Detection head that computes only what a loss reads: class scores as logits, and raw boxes.

    Takes the features of the neck's levels, (batch, channels, height, width) each. Returns scores, (batch,
    classes, positions of all levels), and boxes, (batch, 4 * reg_max, positions), in float32, under the keys
    that Ultralytics' loss reads, and the features as they are; nothing else if the loss reads features only.
    """

    def __init__(self, head: Any, reads: str) -> None:
        """Take the layers of `head` that are read, and its place in the model."""
        super().__init__()
        self.f, self.i = head.f, head.i
        layers = {FEATURES: (), SCORES: (("scores", "cv3"),), BOXES: (("scores", "cv3"), ("boxes", "cv2"))}
        self.one2many = nn.ModuleDict({output: getattr(head, name) for output, name in layers[reads]})
        two = getattr(head, "one2one_cv3", None) is not None
        of_second = layers[reads] if two else ()
        self.one2one = nn.ModuleDict({output: getattr(head, f"one2one_{name}") for output, name in of_second})

    def forward(self, features: list[torch.Tensor]) -> Raw:
        """Predict at every position of `features`, (batch, channels, height, width) each, per branch."""
        first = _predict(self.one2many, features)
        if self.one2one:
            first = {"one2many": first, "one2one": _predict(self.one2one, features)}
        return {**first, FEATURES: features}


class FusedConv(nn.Module):
    """A convolution and its activation in one oneDNN call on a CPU, without gradients.

    PyTorch's compiler makes the same calls (`torch/_inductor/fx_passes/mkldnn_fusion.py`). They have no
    public name, but work without compilation.
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
        """Convolve images, (batch, channels, height, width), in the dtype of the weights.

        The first call converts the weights to oneDNN's layout for images of this size.
        """
        images = images.to(self._dtype)
        if isinstance(self.weight, nn.Parameter):
            reorder: Callable[..., torch.Tensor] = torch._C._nn.mkldnn_reorder_conv2d_weight  # noqa: SLF001
            packed = reorder(self.weight.to_mkldnn(), *self._geometry, list(images.shape))
            del self.weight  # not a parameter any more: optimizers and files cannot store its replacement
            self.weight = packed
        fused: Callable[..., torch.Tensor] = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001
        return fused(images, self.weight, self.bias, *self._geometry, self._activation, [], "")


def make_lean(model: DistillationModel, dtype: torch.dtype, reads: str = SCORES) -> None:
    """Remove what is not read of the teacher's head, and fuse its convolutions.

    The head is replaced before Ultralytics fuses the model, because fusing a complete YOLO26 head drops the
    one-to-many branch, which the loss reads. The outputs that the loss reads change only by rounding.

    Args:
        model: Student and teacher, or several.
        dtype: Dtype of the teacher on a CPU whose oneDNN has it; on a GPU autocast selects it.
        reads: What the loss reads, as in `kdpipe/models/methods.py`.
    """
    for teacher in getattr(model, "teachers", [model.teacher_model]):
        _make_lean(teacher, dtype, reads)
    # The old head's hook was removed with it; Ultralytics has no public function for this.
    model._register_feature_hooks()  # noqa: SLF001


def _make_lean(teacher: Any, dtype: torch.dtype, reads: str) -> None:
    layers = teacher.model
    layers[-1] = RawHead(layers[-1], reads)
    teacher.fuse(verbose=False)
    teacher.requires_grad_(False)
    device = next(teacher.parameters()).device.type
    if device != "mps":  # channels-last gives wrong results on MPS
        teacher.to(memory_format=torch.channels_last)
    if device == "cpu" and has_onednn(dtype):
        teacher.to(dtype)
        _fuse_activations(teacher)


def has_onednn(dtype: torch.dtype) -> bool:
    """Whether oneDNN computes convolutions of this type with its own kernels, not with another library's."""
    if not torch.backends.mkldnn.is_available() or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    # Convolutions in bfloat16 need AVX-512 or AVX-NE-CONVERT.
    return dtype is not torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def _fuse_activations(teacher: nn.Module) -> None:
    for module in teacher.modules():
        if (
            isinstance(module, Conv)
            and type(module.conv) is nn.Conv2d  # no subclass, such as one that simulates quantisation
            and type(module.act) in ACTIVATIONS
        ):
            module.conv = FusedConv(module.conv, ACTIVATIONS[type(module.act)])
            module.act = nn.Identity()


def _predict(outputs: nn.ModuleDict, features: list[torch.Tensor]) -> Raw:
    """Outputs of one branch, (batch, channels, positions of all levels) each, in float32."""
    found = {}
    for name, branch in outputs.items():
        layers: Any = branch
        levels = [layer(feature).flatten(2) for layer, feature in zip(layers, features, strict=True)]
        found[name] = torch.cat(levels, dim=-1).float()
    return found
