"""From the arguments of params.yaml to the arguments of Ultralytics' trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ultralytics.cfg import check_cfg

from kdpipe.errors import ParamsError

AUTO = "auto"
DEFAULTS: dict[str, Any] = {"device": AUTO, "plots": False}
"""Where kdpipe's defaults differ from Ultralytics'."""


def check_values(arguments: Mapping[str, Any], key: str) -> None:
    """Have Ultralytics check the values of its own arguments.

    Raises:
        ParamsError: with Ultralytics' own words, naming `key`.
    """
    for name, value in arguments.items():
        try:
            check_cfg({name: value})
        except (TypeError, ValueError) as error:
            raise ParamsError(f"{key}.{name}", str(error)) from None


def device(wanted: object = AUTO) -> str:
    """The device in Ultralytics' words; `auto` is the first GPU if there is one, else the CPU."""
    if wanted not in (AUTO, None, ""):
        return str(wanted)
    return "0" if torch.cuda.is_available() else "cpu"


def resolved(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with the device chosen, and mixed precision where the device gains from it."""
    chosen = {**DEFAULTS, **arguments}
    chosen["device"] = device(chosen["device"])
    chosen.setdefault("amp", chosen["device"] != "cpu")
    return chosen
