"""Distil Ultralytics YOLO models, and prove whether it paid."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

API = ("compare", "load_report")  # of kdpipe.api, which takes a second to import


def __getattr__(name: str) -> Any:
    """Import the functions of kdpipe when they are used first."""
    if name in API:
        return getattr(import_module("kdpipe.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name the functions where names are completed."""
    return [*globals(), *API]
