"""A student whose layers are compiled, with and without a teacher.

Ultralytics compiles a student that learns alone and leaves one with a teacher as it is; the two would not be
trained alike.
"""

from __future__ import annotations

from typing import Any

import torch

from kdpipe.errors import ParamsError


def compile_layers(student: Any, mode: bool | str, device: torch.device) -> None:
    """Compile what a student does with a batch of images in training; its loss stays as it is.

    Args:
        student: Ultralytics' model; its moving average, which is validated and saved, is another one.
        mode: `train.compile`: True, or a mode of torch.compile (docs.pytorch.org, torch.compile).
        device: Where it trains.

    Raises:
        ParamsError: if there is no compiler.
    """
    if device.type == "cpu":
        try:
            from torch._inductor.cpp_builder import get_cpp_compiler

            get_cpp_compiler()
        except Exception as error:
            raise ParamsError("train.compile", f"needs a C++ compiler, such as g++ ({error})") from error
    chosen = "default" if mode is True else str(mode)
    student._predict_once = torch.compile(student._predict_once, mode=chosen)  # noqa: SLF001 - not a public step
