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
    if device == "cpu" or not torch.cuda.is_available():
        return "CPU"
    return torch.cuda.get_device_name()


def gpus() -> list[str]:
    """GPUs that torch sees, with their memory."""
    found = (torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count()))
    return [f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in found]


def check_device(arguments: Mapping[str, Any]) -> None:
    """Check that the devices of a training exist.

    Raises:
        ParamsError: if one does not exist; lists those that do.
    """
    count = torch.cuda.device_count()
    for name in devices(arguments):
        if name.isdigit() and int(name) >= count:
            there = f"the GPUs {', '.join(map(str, range(count)))}" if count else "no GPU"
            raise ParamsError("train.device", f"{name} is not there: this machine has {there}; write auto")


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
