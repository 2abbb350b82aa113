"""Select a student's start weights from those of its teacher.

Weight selection with evenly spaced channels: Xu et al., "Initializing Models with Larger Ones",
https://arxiv.org/abs/2311.18823.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kdpipe.models.names import ModelName
from kdpipe.models.own_yaml import yaml_of
from kdpipe.yolo.rebuild import MODELS, contents_of, rebuilt, undisturbed

OF_BLOCK = 2  # last parts of a tensor's name, such as `conv.weight`, that name no block of their own


@dataclass(frozen=True)
class Share:
    """How much of a student was selected: tensors, and weights in them."""

    tensors: int
    of_tensors: int
    weights: int
    of_weights: int

    @property
    def of_all(self) -> float:
        """Share of the weights, 0 to 1."""
        return self.weights / self.of_weights

    def __str__(self) -> str:
        """Such as `708 of 708 tensors, 100 % of the weights`."""
        percent = math.floor(100 * self.of_all)
        return f"{self.tensors} of {self.of_tensors} tensors, {percent} % of the weights"


def select(
    teacher: Mapping[str, torch.Tensor], student: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Select the tensors of a student from those of the same name in its teacher.

    Of output and input channels, evenly spaced ones are taken: channel i of n is channel floor(i N / n) of
    the teacher's N, so that halves and concatenated parts of a layer's channels remain what they are. Of a
    block that is repeated more often in the teacher, the first repetitions are taken: they have the names of
    the student's. A convolution and its normalisation are taken together or not at all, and not if its
    kernel has another size.

    Args:
        teacher: State of the teacher: tensors by name, such as (N, M, 3, 3) of a convolution.
        student: State of the student, such as (n, m, 3, 3).

    Returns:
        Those tensors of the student that the teacher has, in the student's shapes.
    """
    blocks: dict[str, bool] = {}
    for name, own in student.items():
        fits = name in teacher and _fits(teacher[name].shape, own.shape)
        blocks[_block(name)] = fits and blocks.get(_block(name), True)
    return {name: _evenly(teacher[name], own.shape) for name, own in student.items() if blocks[_block(name)]}


def share_of(student: ModelName, teacher: ModelName) -> Share:
    """How much of a student can be selected from a teacher, by their model yamls.

    Raises:
        KdpipeError: if Ultralytics cannot build one of them.
    """
    own, larger = (_state(MODELS[model.task], yaml_of(model)) for model in (student, teacher))
    return _share(select(larger, own), own)


def save_selected(student: ModelName, teacher: Path, target: Path) -> Share:
    """Write start weights of a student, selected from a trained teacher.

    What the teacher does not have is initialised as by Ultralytics, with a fixed seed.

    Args:
        student: The student's architecture.
        teacher: Checkpoint of the teacher.
        target: The checkpoint to write, in Ultralytics' format.

    Raises:
        KdpipeError: if the teacher's file is no checkpoint of a model.
    """
    contents = contents_of(teacher)
    larger = rebuilt(teacher, contents).float()
    channels = int(contents.yaml.get("channels") or contents.yaml.get("ch") or 3)
    given = {"data_kpt_shape": tuple(larger.yaml["kpt_shape"])} if student.task == "pose" else {}
    with undisturbed():
        torch.manual_seed(0)
        make = MODELS[student.task]
        model = make(yaml_of(student), ch=channels, nc=len(larger.names), verbose=False, **given)
    own = model.state_dict()
    selected = select(larger.state_dict(), own)
    model.load_state_dict({**own, **selected})
    model.names = larger.names
    torch.save({"model": model.half(), "train_args": {"task": student.task}}, target)
    return _share(selected, own)


def _state(make: Any, yaml: str) -> dict[str, torch.Tensor]:
    with undisturbed():
        state: dict[str, torch.Tensor] = make(yaml, verbose=False).state_dict()
    return state


def _share(selected: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> Share:
    weights, of_weights = (sum(tensor.numel() for tensor in state.values()) for state in (selected, own))
    return Share(len(selected), len(own), weights, of_weights)


def _block(name: str) -> str:
    """The block that a tensor belongs to: `model.0` of `model.0.conv.weight`."""
    return ".".join(name.split(".")[:-OF_BLOCK])


def _fits(larger: torch.Size, smaller: torch.Size) -> bool:
    """Whether a tensor has enough channels, and the same kernel."""
    return (
        len(larger) == len(smaller)
        and larger[2:] == smaller[2:]
        and all(most >= some for most, some in zip(larger, smaller, strict=True))
    )


def _evenly(larger: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Take evenly spaced indices of each dimension."""
    for dimension, size in enumerate(shape):
        indices = torch.arange(size) * larger.shape[dimension] // size
        larger = larger.index_select(dimension, indices)
    return larger.clone()
