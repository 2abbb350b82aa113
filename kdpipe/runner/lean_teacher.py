"""A frozen teacher that computes what the distillation loss reads, and nothing else."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn
from ultralytics.nn.distill_model import DistillationModel

Scores = dict[str, Any]
WARM_UP = 3  # calls that a graph is watched for before it is fused


class ClassScores(nn.Module):
    """A detection head without its boxes: the class scores of each branch, as logits.

    Takes the features of the neck's levels, (batch, channels, height, width) each, and returns
    scores of (batch, classes, all positions) in float32 where Ultralytics' loss looks for them.
    """

    def __init__(self, head: Any) -> None:
        """Take the layers that classify from `head`, and its place in the model."""
        super().__init__()
        self.f, self.i = head.f, head.i
        self.one2many: nn.ModuleList = head.cv3
        self.one2one: nn.ModuleList | None = getattr(head, "one2one_cv3", None)

    def forward(self, features: list[torch.Tensor]) -> Scores:
        """Classify every position."""
        return named(self.branches(features))

    def branches(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """The scores of one2many, and of one2one where there is that."""
        found = (branch for branch in (self.one2many, self.one2one) if branch is not None)
        return [_classify(branch, features) for branch in found]


class Graph(nn.Module):
    """A teacher on a CPU as one graph, in which oneDNN fuses each convolution with its activation.

    In bfloat16 that takes two thirds of the time of layer by layer; in float32 nearly as long, and more
    memory. Its features go where the hooks of Ultralytics would put them.
    """

    def __init__(self, teacher: Any, features: dict[int, Any], example: torch.Tensor) -> None:
        """Trace the teacher with a batch of images, in the type that it is to compute in."""
        super().__init__()
        self._features, self._dtype = features, example.dtype
        torch.jit.enable_onednn_fusion(enabled=True)
        layers = _Layers(teacher).to(example.dtype).eval()
        with warnings.catch_warnings(action="ignore"), torch.no_grad():
            # In a list, so that Ultralytics does not find it among the modules it sets to evaluation.
            self._graph = [torch.jit.freeze(torch.jit.trace(layers, example, check_trace=False))]
            for _ in range(WARM_UP):  # a continued training must not begin with other numbers
                self._graph[0](example)

    def forward(self, images: torch.Tensor) -> None:
        """Leave the features of each level, and the scores, for the loss."""
        with torch.autocast("cpu", enabled=False):
            *features, scores = self._graph[0](images.to(self._dtype))
        for level, feature in enumerate([*features, named(list(scores))]):
            self._features[level] = feature


class _Layers(nn.Module):
    """A model's layers, run in their order: its neck's features, and the scores of each branch."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.layers = model.model

    def forward(self, images: torch.Tensor) -> tuple[Any, ...]:
        *body, head = self.layers
        done: list[torch.Tensor] = []
        last = images
        for layer in body:
            came_from = [layer.f] if isinstance(layer.f, int) else layer.f
            inputs = [last if place == -1 else done[place] for place in came_from]
            last = layer(inputs[0] if isinstance(layer.f, int) else inputs)
            done.append(last)
        features = [done[place] for place in head.f]
        return (*features, tuple(head.branches(features)))


def named(branches: list[torch.Tensor]) -> Scores:
    """Scores under the names that Ultralytics' loss looks for."""
    if len(branches) == 1:
        return {"scores": branches[0]}
    return dict(zip(("one2many", "one2one"), ({"scores": scores} for scores in branches), strict=True))


def make_lean(model: DistillationModel, example: torch.Tensor) -> None:
    """Drop the teacher's box branches and its decoding, fuse its normalisation into its convolutions.

    The head is replaced before Ultralytics fuses, because fusing a whole YOLO26 head drops the
    one-to-many branch, which the loss reads. What the loss reads changes by rounding only.

    Args:
        model: Student and teacher.
        example: A batch of images as it will come, in the type that the teacher is to compute in:
            bfloat16 where the CPU has it, else float32 (a GPU's mixed precision is not its matter).
    """
    teacher = model.teacher_model
    layers = teacher.model
    layers[-1] = ClassScores(layers[-1])
    teacher.fuse(verbose=False)
    teacher.requires_grad_(False)
    if example.device.type != "mps":  # channels-last is wrong there
        teacher.to(memory_format=torch.channels_last)
    # Ultralytics has no public call for either.
    if example.dtype is torch.bfloat16:
        model.teacher_model = Graph(teacher, model._teacher_feats, example)  # noqa: SLF001
    else:
        model._register_feature_hooks()  # noqa: SLF001 - that of the old head went with it


def _classify(layers: nn.ModuleList, features: list[torch.Tensor]) -> torch.Tensor:
    levels = [layer(feature).flatten(2) for layer, feature in zip(layers, features, strict=True)]
    return torch.cat(levels, dim=-1).float()
