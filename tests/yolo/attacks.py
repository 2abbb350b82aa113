"""Checkpoints that run code when they are used, without calling anything while they are opened.

Everything in them is a class that Ultralytics' own checkpoints may contain. The code only makes a file.
"""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bad_inputs import _Runs, model_file

MARKER = "gotcha"
CODE = f"(open({MARKER!r}, 'w').close(), torch.nn.SiLU())[1]"
SECOND = "second.pt"


def _calling(function: object, given: object) -> Any:
    """An object that calls a function with a fixed first argument, made of a class of PyTorch's modules."""
    from torch.nn.modules.module import _WrappedHook

    hook: Any = _WrappedHook.__new__(_WrappedHook)
    hook.hook, hook.with_module, hook.module = function, True, weakref.ref(given)
    return hook


def _building(model: Any) -> Any:
    """Build a model of a yaml with code in the place of an activation."""
    from ultralytics.nn.tasks import DetectionModel

    model.kept = OrderedDict(activation=CODE, nc=1, backbone=[[-1, 1, "Conv", [8, 3, 2]]], head=[])
    return _calling(DetectionModel, model.kept)


def _opening(model: Any) -> Any:
    """Open another checkpoint, which nobody has checked."""
    from ultralytics.nn.distill_model import load_checkpoint
    from ultralytics.nn.modules import Index
    from ultralytics.utils.loss import v8DetectionLoss

    model.kept = OrderedDict(path=SECOND)
    loss: Any = v8DetectionLoss.__new__(v8DetectionLoss)
    loss.parse_output, loss.loss = Index("path"), load_checkpoint
    return _calling(loss, model.kept)


def hook(model: Any) -> None:
    model._forward_pre_hooks[0] = _building(model)


def forward_that_opens(model: Any) -> None:
    model.forward = _opening(model)


def forward(model: Any) -> None:
    model.forward = _building(model)


def forward_of_a_layer(model: Any) -> None:
    model.model[1].forward = _building(model)


def convolution_that_is_none(model: Any) -> None:
    """An attribute hides a module of the same name."""
    model.model[0].__dict__["conv"] = _building(model)


def conversion(model: Any) -> None:
    """Called when a checkpoint is opened."""
    model.float = _building(model)


ATTACKS = (hook, forward_that_opens, forward, forward_of_a_layer, convolution_that_is_none, conversion)


def attacking(attack: Callable[[Any], None], name: str = "yolo26n") -> Callable[[Path], None]:
    """Make a checkpoint of ten classes with an attack in it, and the one that an attack may open."""

    def make(path: Path) -> None:
        import torch

        path.write_bytes(_attacked(attack, name))
        torch.save({"model": _Runs(os.system, f"touch {MARKER}")}, path.with_name(SECOND))

    return make


@cache
def _attacked(attack: Callable[[Any], None], name: str) -> bytes:
    import torch

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        model_file(name)(path)
        checkpoint = torch.load(path, weights_only=False)
        attack(checkpoint["model"])
        torch.save(checkpoint, path)
        return path.read_bytes()
