"""1x1 convolutions as the matrix products that they are."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional


def multiply_pointwise(model: nn.Module) -> None:
    """Have a model's 1x1 convolutions computed as products of matrices; weights stay as they are.

    For images that lie channels-last it is the same memory, without what oneDNN prepares before every
    convolution, most of all before its gradients.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _is_pointwise(module):
            module.forward = partial(_multiply, module)  # type: ignore[method-assign]


def _is_pointwise(layer: nn.Conv2d) -> bool:
    sides = (layer.kernel_size, layer.stride, layer.dilation)
    return sides == ((1, 1),) * 3 and layer.padding == (0, 0) and layer.groups == 1


def _multiply(layer: nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
    found = functional.linear(images.permute(0, 2, 3, 1), layer.weight.flatten(1), layer.bias)
    return found.permute(0, 3, 1, 2)
