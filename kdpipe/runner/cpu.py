"""Faster steps on a CPU: memory that is kept from step to step, 1x1 convolutions as matrix products."""

from __future__ import annotations

import ctypes
import platform
from functools import partial

import torch
from torch import nn
from torch.nn import functional

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # <malloc.h>


def keep_freed_memory() -> None:
    """Keep what a step has freed for the next one.

    glibc gives much of it back to the system after each step, and has it cleared page by page in the next
    (mallopt(3), M_TRIM_THRESHOLD and M_MMAP_MAX). Where there is no glibc this does nothing.
    """
    if has_glibc():
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
        libc.mallopt(M_MMAP_MAX, 0)


def give_back_freed_memory() -> None:
    """Give back what is free: a training and its validation want pieces of other sizes (malloc_trim(3))."""
    if has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def has_glibc() -> bool:
    """Whether memory comes from glibc's malloc."""
    return platform.libc_ver()[0] == "glibc"


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
