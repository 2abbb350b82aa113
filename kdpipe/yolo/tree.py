"""The model object of a checkpoint that was read inertly: its modules, their weights and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from kdpipe.errors import KdpipeError
from kdpipe.yolo.inert import Inert

MODULES, PARAMETERS, BUFFERS = "_modules", "_parameters", "_buffers"
HOOKS = re.compile(r"_\w*hooks\w*")
OWN_HOOK = "FeatureHook"  # reads features for distillation and changes nothing
MOST_LEVELS, MOST_MODULES = 20, 20_000
RENAMED = {"Silence": "Identity", "YOLOv10DetectionModel": "DetectionModel"}


@dataclass
class Tree:
    """Modules of a model, by their dotted paths; the model itself has the path "".

    Attributes:
        classes: Class names.
        settings: Attributes that are neither weights, modules nor hooks.
        weights: Parameters and buffers as in a state dict.
        learning: Names of the parameters that require gradients.
    """

    classes: dict[str, str] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    learning: set[str] = field(default_factory=set)


def class_of(value: object) -> str:
    """Name of the class that an inert object replaces, without its module; "" for other objects."""
    name = type(value).__name__.rpartition(".")[2] if isinstance(value, Inert) else ""
    return RENAMED.get(name, name)


def tree_of(model: object) -> Tree:
    """List the modules of an inert model.

    Raises:
        KdpipeError: if it is not built as a model of PyTorch, or contains hooks.
    """
    tree = Tree()
    waiting: list[tuple[str, object]] = [("", model)]
    while waiting:
        path, module = waiting.pop()
        if path.count(".") > MOST_LEVELS or len(tree.classes) > MOST_MODULES:
            raise KdpipeError("it has more modules than a model")
        waiting += _read(tree, path, module)
    return tree


def _read(tree: Tree, path: str, module: object) -> Iterator[tuple[str, object]]:
    """Add a module to the tree, and return the modules in it."""
    state = module.state if isinstance(module, Inert) else None
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise KdpipeError(f"{path or 'the model'} is no module of PyTorch")
    tree.classes[path] = class_of(module)
    tree.settings[path] = settings = {}
    for key, value in state.items():
        if HOOKS.fullmatch(key):
            _check_hooks(path, value)
        elif key not in (MODULES, PARAMETERS, BUFFERS):
            settings[key] = value
    passing = settings.pop("_non_persistent_buffers_set", None)
    unsaved = passing if isinstance(passing, set) else ()
    for kind in (PARAMETERS, BUFFERS):
        for name, value in _entries(path, state, kind):
            if value is None or (kind == BUFFERS and name in unsaved):
                continue
            if type(value) not in (torch.Tensor, torch.nn.Parameter):
                raise KdpipeError(f"{_join(path, name)} is no tensor")
            tree.weights[_join(path, name)] = torch.Tensor.detach(value)
            if kind == PARAMETERS and value.requires_grad:
                tree.learning.add(_join(path, name))
    for name, value in _entries(path, state, MODULES):
        if value is not None:
            yield _join(path, name), value


def _entries(path: str, state: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    entries = state.get(kind, {})
    if not isinstance(entries, dict) or not all(isinstance(name, str) for name in entries):
        raise KdpipeError(f"{path or 'the model'} has no {kind}")
    return list(entries.items())


def _check_hooks(path: str, hooks: object) -> None:
    if not hooks:
        return
    found = hooks.values() if isinstance(hooks, dict) else [hooks]
    if not all(value is True or class_of(value) == OWN_HOOK for value in found):
        raise KdpipeError(f"{path or 'the model'} has hooks, which are code")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
