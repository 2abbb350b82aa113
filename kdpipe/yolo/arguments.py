"""Convert train arguments of params.yaml to arguments of Ultralytics' trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ultralytics.cfg import check_cfg

from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.models.names import DEFAULT_IMGSZ
from kdpipe.params.arguments import AUTO
from kdpipe.yolo.device import device
from kdpipe.yolo.precision import precision

DEFAULTS: dict[str, Any] = {"device": AUTO, "plots": False}
"""Defaults of kdpipe that differ from those of Ultralytics."""


def value_problems(arguments: Mapping[str, Any], key: str) -> Iterator[ParamsError]:
    """Check the values of arguments with Ultralytics, and report its error messages."""
    for name, value in arguments.items():
        try:
            check_cfg({name: value})
        except (TypeError, ValueError) as error:
            yield ParamsError(f"{key}.{name}", str(error))
    if isinstance(mode := arguments.get("compile"), str):
        from torch._inductor import list_mode_options  # of use only here, and slow to import

        if mode not in list_mode_options():
            hint = did_you_mean(mode, ["true", "false", *list_mode_options()])
            yield ParamsError(f"{key}.compile", f"{mode!r} is no mode of torch.compile; {hint}")


def resolved(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Final arguments: kdpipe's defaults, a selected device, and mixed precision only where it is faster.

    On a CPU, mixed precision means bfloat16 in the layers and float32 in the loss. `amp: bf16`, a value that
    Ultralytics has for GPUs, enables it on any CPU.
    """
    chosen = {**DEFAULTS, **arguments}
    chosen["device"] = device(chosen["device"])
    amp = str(chosen.setdefault("amp", True)).lower()
    if chosen["device"] == "cpu":
        imgsz = int(chosen.get("imgsz", DEFAULT_IMGSZ))
        chosen["amp"] = amp == "bf16" or (amp not in ("false", "fp32") and precision(imgsz).mixed)
    return chosen
