"""Devices for training: selection, names and peak memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from typing import Any

import torch

from kdpipe.errors import ParamsError
from kdpipe.params.arguments import AUTO, device_names


def device_name(device: str) -> str:
    """Model of the GPU, or `CPU`; results depend on it."""
    if device.startswith(("mps", "npu", "xpu")):
        return device.partition(":")[0].upper()
    if device == "cpu" or not torch.cuda.is_available():
        return "CPU"
    return torch.cuda.get_device_name()


def gpus() -> list[str]:
    """GPUs that torch sees, with their memory."""
    found = (torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count()))
    return [f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in found]


def check_device(arguments: Mapping[str, Any], key: str = "train.device") -> None:
    """Check that the devices of a training exist, as Ultralytics takes the CPU instead of some that do not.

    Args:
        arguments: Train arguments.
        key: Where the device is written.

    Raises:
        ParamsError: if one does not exist; lists those that do.
    """
    for name in devices(arguments):
        there = _instead_of(name)
        if there is not None:
            raise ParamsError(
                key,
                f"{f'GPU {name}' if name.isdigit() else name} is not there: this machine has {there}; "
                "write auto (the first GPU, or else the CPU)",
            )


def _instead_of(name: str) -> str | None:
    """What a machine has instead of a device; None if it has the device."""
    if name == "cpu":
        return None
    kind, _, index = f"cuda:{name}".partition(":") if name.isdigit() else name.partition(":")
    if kind == "mps":
        return None if torch.backends.mps.is_available() else "no Apple GPU"
    backend = getattr(torch, kind, None)  # torch.npu comes with a package of its own
    count = backend.device_count() if backend is not None and backend.is_available() else 0
    if int(index or 0) < count:
        return None
    what = {"cuda": "GPU", "npu": "NPU", "xpu": "Intel GPU"}[kind]
    return f"the {what}s {', '.join(map(str, range(count)))}" if count else f"no {what}"


def peak_memory_mib(device: torch.device) -> int:
    """Peak memory so far in MiB: of the GPU, or else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated() / 2**20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / (2**20 if sys.platform == "darwin" else 2**10))


def device(wanted: object = AUTO) -> str:
    """The device in Ultralytics' notation; `auto` is the first GPU if there is one, else the CPU."""
    names = device_names(wanted)
    if names != [AUTO]:
        return ",".join(names)
    return "0" if torch.cuda.is_available() else "cpu"


def devices(arguments: Mapping[str, Any]) -> list[str]:
    """All devices of a training."""
    return device(arguments.get("device", AUTO)).split(",")
