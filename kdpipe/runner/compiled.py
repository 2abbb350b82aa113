"""Compiled layers for a student, with and without a teacher.

Ultralytics compiles a student without a teacher, but not one with a teacher; the two would train differently.
"""

from __future__ import annotations

from typing import Any

import torch

from kdpipe.errors import ParamsError


def compile_layers(student: Any, mode: bool | str, device: torch.device) -> None:
    """Compile the forward pass of a student in training; its loss is not compiled.

    Args:
        student: Ultralytics' model. Its moving average, which is validated and saved, is another model.
        mode: `train.compile`: True, or a mode of torch.compile (docs.pytorch.org, torch.compile).
        device: Device of the training.

    Raises:
        ParamsError: if there is no C++ compiler for a CPU.
    """
    if device.type == "cpu":
        try:
            from torch._inductor.cpp_builder import get_cpp_compiler

            get_cpp_compiler()
        except Exception as error:
            raise ParamsError("train.compile", f"needs a C++ compiler, such as g++ ({error})") from error
    chosen = "default" if mode is True else str(mode)
    student._predict_once = torch.compile(student._predict_once, mode=chosen)  # noqa: SLF001 - no public name
