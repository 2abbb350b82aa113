"""How much of what trains the neck is the distillation loss, measured on the first batch of each epoch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from ultralytics.nn.distill_model import DistillationModel
from ultralytics.utils.torch_utils import unwrap_model

NAME = "train/dis_gradient"


class GradientShare:
    """Callbacks of a trainer that measure the gradients of both losses at the neck features.

    `value` is the norm of the distillation loss's gradient by that of the detection loss's, in the newest
    epoch, with respect to the features that are compared: of all levels that the head reads, or of the end of
    the backbone if the teacher is one; None without a teacher. The first batch of an epoch costs two passes
    back through the head more; the training itself is the same to the last bit.
    """

    def __init__(self) -> None:
        """Begin without a value."""
        self.value: float | None = None

    def on_train_epoch_start(self, trainer: Any) -> None:
        """Measure the next batch; compiled layers give no gradients at their features."""
        model = unwrap_model(trainer.model)
        if isinstance(model, DistillationModel) and not trainer.compile_mode:
            self._hook = model.register_forward_hook(partial(self._measure, trainer))

    def _measure(self, trainer: Any, model: Any, _: Any, outputs: Any) -> None:
        self._hook.remove()
        losses: torch.Tensor = outputs[0]
        features = [model._student_feats[level] for level in range(len(model.feats_idx) - 1)]  # noqa: SLF001
        trained = [feature for feature in features if feature.requires_grad]  # none if all before is frozen
        # Scaled, as gradients in half precision would be 0 otherwise.
        detection, distillation = (
            _norm(trainer.scaler.scale(part.sum()), trained) for part in (losses[:-1], losses[-1])
        )
        self.value = distillation / detection if detection else 0.0


def _norm(loss: torch.Tensor, features: list[torch.Tensor]) -> float:
    """Norm of the gradient of a loss at all features together."""
    if not features:
        return 0.0
    found = torch.autograd.grad(loss, features, retain_graph=True, allow_unused=True)
    norms = torch.stack([gradient.float().norm() for gradient in found if gradient is not None])
    return float(norms.norm())
