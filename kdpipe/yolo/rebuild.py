"""Build the model of a checkpoint afresh: from its checked yaml, with its weights, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics.nn import tasks
from ultralytics.nn.modules import Conv

from kdpipe.errors import KdpipeError
from kdpipe.models.layers import layer_problems
from kdpipe.yolo.inert import Inert, is_plain, plain, read_inert
from kdpipe.yolo.quantized import checked_quantization
from kdpipe.yolo.tree import Tree, class_of, tree_of

MODELS = {
    "detect": tasks.DetectionModel,
    "segment": tasks.SegmentationModel,
    "pose": tasks.PoseModel,
    "obb": tasks.OBBModel,
}
CLASS_BRANCHES = ("cv3", "one2one_cv3")  # of a head
OF_MODEL = ("names", "nc", "task", "inplace", "kpt_shape", "kpt_names", "kpt_oks_sigmas")
# Settings of a module that are made when it is built or used.
OF_USE = ("training", "export", "format", "dynamic", "shape", "np", "type")
ROUTES = ("f", "i")  # where a layer's input comes from, and its place
PLAIN = (bool, int, float, str, list, tuple)
NOTHING = object()


@dataclass(frozen=True)
class Contents:
    """What is used of a checkpoint.

    Attributes:
        values: Plain values beside the model, such as `train_args`.
        yaml: The model yaml.
        tree: Modules and weights.
        unfinished: Whether the state of an optimizer is there.
        quantized: What Ultralytics simulates INT8 with again, of a training with `quantize`; else None.
    """

    values: dict[str, Any]
    yaml: dict[str, Any]
    tree: Tree
    unfinished: bool
    quantized: dict[str, Any] | None = None


def contents_of(path: Path) -> Contents:
    """Read a checkpoint without running anything of it.

    Raises:
        KdpipeError: if it is not an Ultralytics checkpoint of a model that can be distilled.
    """
    try:
        checkpoint = read_inert(path)
        model = checkpoint.get("ema") or checkpoint.get("model")
        state = model.state
        yaml = plain(state["yaml"])
        Path(yaml["yaml_file"])
    except KdpipeError:
        raise
    except Exception as error:
        raise KdpipeError(f"{path}: not a checkpoint of Ultralytics: {error}") from error
    if class_of(model) == "DistillationModel":
        raise KdpipeError(f"{path}: a distillation in progress; take best.pt of a finished one")
    values = _plain_of(checkpoint)
    values["train_args"] = _plain_of(checkpoint.get("train_args") or {})
    try:
        quantized = checked_quantization(checkpoint.get("modelopt"))
        unfinished = checkpoint.get("optimizer") is not None
        return Contents(values, yaml, tree_of(model), unfinished, quantized)
    except KdpipeError as error:
        raise KdpipeError(f"{path} is more than a model: {error}") from error


def _plain_of(values: Mapping[object, object]) -> dict[str, Any]:
    return {str(key): plain(value) for key, value in values.items() if is_plain(value)}


def rebuilt(path: Path, contents: Contents) -> Any:
    """Build the model of a checkpoint afresh, and give it the weights and settings of the file.

    Its outputs are those of the model in the file, to the last bit.

    Args:
        path: The checkpoint, for messages.
        contents: What was read from it.

    Raises:
        KdpipeError: if the file is not the model that its yaml describes, or contains more.
    """
    if problems := [*layer_problems(contents.yaml)]:
        raise KdpipeError(f"{path} is more than a model: its yaml is none of layers: {'; '.join(problems)}")
    name = contents.tree.classes[""]
    make = next((model for model in MODELS.values() if model.__name__ == name), None)
    if make is None:
        raise KdpipeError(f"{path} holds a {name or 'model of another kind'}, which cannot be distilled")
    try:
        with undisturbed():
            model = _built(make, contents)
            _check_same(model, contents.tree)
            _fill(model, contents.tree)
    except Exception as error:
        raise KdpipeError(f"{path} is not the model that its yaml describes: {error}") from error
    return model


def build(task: str, yaml: str) -> None:
    """Build a model from a checked model yaml, to see that it can be built.

    Args:
        task: The task that it solves.
        yaml: Path of the model yaml.

    Raises:
        KdpipeError: if Ultralytics cannot build it.
    """
    try:
        with undisturbed():
            MODELS[task](yaml, verbose=False)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise KdpipeError(f"{yaml}: Ultralytics cannot build it: {reason}") from error


@contextmanager
def undisturbed() -> Iterator[None]:
    """Build models without an effect on what comes after them.

    A training draws the same random numbers whatever it starts from. Ultralytics sets the activation of a
    yaml for all models, and takes it back only if the model can be built.
    """
    activation = Conv.default_act
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        Conv.default_act = activation


def _built(make: Callable[..., Any], contents: Contents) -> Any:
    """Build a model from its yaml, with class branches as wide as those in the file.

    Their width depends on the number of classes. A model that was trained from weights of other classes keeps
    the width of those.
    """
    channels = int(contents.yaml.get("channels") or contents.yaml.get("ch") or 3)
    model = make(plain(contents.yaml), ch=channels, verbose=False)
    head = model.model[-1]
    for branch in CLASS_BRANCHES:
        layers = getattr(head, branch, None)
        width = layers and _width(
            contents.tree.weights, f"model.{head.i}.{branch}.0.{len(layers[0]) - 1}.weight"
        )
        if not layers or not width or width == layers[0][-1].in_channels:
            continue
        wider = getattr(make(plain(contents.yaml), ch=channels, nc=width, verbose=False).model[-1], branch)
        for level in wider:
            level[-1] = nn.Conv2d(level[-1].in_channels, head.nc, 1)
        setattr(head, branch, wider)
    return model


def _width(weights: Mapping[str, torch.Tensor], name: str) -> int:
    """Input channels of a convolution; 0 if there is none of this name."""
    found = weights.get(name)
    return int(found.shape[1]) if found is not None and found.dim() == 4 else 0  # noqa: PLR2004


def _check_same(model: nn.Module, tree: Tree) -> None:
    """Check that the file has the modules that were built, and none of them is changed by code."""
    built = dict(model.named_modules(remove_duplicate=False))
    if odd := sorted(built.keys() ^ tree.classes.keys()):
        raise ValueError(f"{odd[0]} is in one of them only")
    for path, module in built.items():
        if type(module).__name__ != tree.classes[path]:
            raise ValueError(f"{path} is a {tree.classes[path]}, not a {type(module).__name__}")
        for key, value in tree.settings[path].items():
            if _is_replaced(module, key, value):
                raise ValueError(f"{f'{path}.{key}'.lstrip('.')} is replaced by code")
            if key in ROUTES and value != getattr(module, key, value):
                raise ValueError(f"{path}.{key} is {value}, not {getattr(module, key)}")
    expected = model.state_dict()
    if odd := sorted(expected.keys() ^ tree.weights.keys()):
        raise ValueError(f"{odd[0]} is in one of them only")
    for name, weight in tree.weights.items():
        if weight.shape != expected[name].shape:
            raise ValueError(f"{name} has the shape {[*weight.shape]}, not {[*expected[name].shape]}")
        if weight.is_floating_point() != expected[name].is_floating_point():
            raise ValueError(f"{name} is of type {weight.dtype}")


def _is_replaced(module: nn.Module, key: str, value: object) -> bool:
    """Whether an attribute in the file hides a method or a part of a module."""
    if key == "type":  # Ultralytics' name of a layer, which hides a method of PyTorch
        return not isinstance(value, str)
    part = key in module._modules or key in module._parameters or key in module._buffers  # noqa: SLF001
    method = callable(getattr(type(module), key, None))
    return part or method or (isinstance(value, Inert) and hasattr(module, key))


def _fill(model: Any, tree: Tree) -> None:
    """Give a model the weights and settings of the file."""
    model.load_state_dict(
        tree.weights, assign=True
    )  # keeps type and memory layout, on which rounding depends
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in tree.learning)
    for path, module in model.named_modules():
        for key, value in tree.settings[path].items():
            if key not in (*OF_USE, *ROUTES) and _replaces(value, module, key):
                setattr(module, key, plain(value))
    for key in OF_MODEL:
        if key in tree.settings[""] and is_plain(tree.settings[""][key]):
            setattr(model, key, plain(tree.settings[""][key]))
    if isinstance(model.names, list):
        model.names = dict(enumerate(model.names))


def _replaces(value: object, module: nn.Module, key: str) -> bool:
    """Whether a plain value of the file replaces another one in a module."""
    built = getattr(module, key, NOTHING)
    if isinstance(getattr(type(module), key, None), property) or not (
        built is None or isinstance(built, PLAIN)
    ):
        return False
    return is_plain(value) and plain(value) != built
