"""Faster versions of Ultralytics' trainers for students and teachers: same formulas, same arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.obb import OBBTrainer
from ultralytics.models.yolo.pose import PoseTrainer
from ultralytics.models.yolo.segment import SegmentationTrainer
from ultralytics.nn.distill_model import DistillationModel
from ultralytics.utils.checks import check_imgsz
from ultralytics.utils.patches import override_configs
from ultralytics.utils.torch_utils import prepare_qat, unwrap_model

from kdpipe.models.methods import METHODS
from kdpipe.params.schema import L2
from kdpipe.runner.compiled import compile_layers
from kdpipe.runner.cpu import give_back_freed_memory, keep_freed_memory
from kdpipe.runner.lean_teacher import make_lean
from kdpipe.runner.methods.backbone import BackboneModel
from kdpipe.runner.methods.model import MethodModel
from kdpipe.yolo.opening import rebuilding
from kdpipe.yolo.quantized import quietly

COARSEST = 32  # pixels, the least that Ultralytics takes for the stride of a model


class Faster(BaseTrainer):
    """Speed-ups for Ultralytics' trainer of any task.

    On a CPU, the student's weights are channels-last, as Ultralytics has them on a GPU; Adam's step is one
    fused call; freed memory is kept between steps; and with `amp` the layers compute in bfloat16. With
    `compile` the layers are compiled on every device, also for a student with a teacher.
    """

    method: Mapping[str, Any] | None = None  # settings of the distillation method; None is Ultralytics' own
    teachers: Sequence[str] = ()  # checkpoints; the first one is Ultralytics' `distill_model`

    def __init__(self, overrides: dict[str, Any]) -> None:
        """Take the arguments of Ultralytics' trainer."""
        self.compile_mode = overrides.get("compile") or False
        self.quantize = overrides.get("quantize")
        super().__init__(overrides={**overrides, "compile": False, "quantize": None})
        self.add_callback("on_pretrain_routine_end", _speed_up)
        self.add_callback("on_train_epoch_start", _begin_epoch)
        for end in ("on_train_epoch_end", "on_fit_epoch_end"):  # before and after a validation
            self.add_callback(end, _give_back)

    @property
    def _learns_from_backbones(self) -> bool:
        return self.method is not None and METHODS[self.method["method"]].backbone

    @property
    def used_arguments(self) -> dict[str, Any]:
        """Final arguments, including `compile` and `quantize`."""
        return {**vars(self.args), "compile": self.compile_mode, "quantize": self.quantize}

    def _setup_train(self) -> None:
        """Set up a training; start weights and teacher are built afresh, nothing of their files is run."""
        teachers = [] if self._learns_from_backbones else [self.args.distill_model, *self.teachers[1:]]
        with rebuilding(*(path for path in (self.args.model, *teachers) if path)):
            super()._setup_train()

    def setup_model(self) -> Any:
        """Build the model, with channels-last weights on a CPU."""
        checkpoint = super().setup_model()
        if self.device.type == "cpu":
            keep_freed_memory()
            # Before the optimizer and the moving average copy the memory layout of the weights.
            if self.args.channels_last is not False:
                self.model.to(memory_format=torch.channels_last)
        return checkpoint

    def set_model_attributes(self) -> None:
        """Simulate INT8 in a student that asks for it, and put it beside its teacher.

        Ultralytics itself does the latter for its own method. Before weights are frozen and the optimizer and
        the moving average see the model.
        """
        super().set_model_attributes()
        student: Any = self.model
        if self.quantize:
            with quietly():
                student = prepare_qat(student, self._calibration_images(), self.preprocess_batch)
        if self.method is not None:
            kind = BackboneModel if self._learns_from_backbones else MethodModel
            student = kind(self.teachers, student, self.method)
        self.model: Any = student

    def _calibration_images(self) -> Any:
        """Batches of training images, as Ultralytics takes them to measure the ranges of the integers."""
        stride = max(int(self.model.stride.max()), COARSEST)
        self.args.imgsz = check_imgsz(self.args.imgsz, stride=stride, floor=stride, max_dim=1)
        batch = max(self.batch_size // max(self.world_size, 1), 1)
        with override_configs(self.args, {"cache": False}):
            return self.get_dataloader(self.data["train"], batch_size=batch, rank=-1, mode="train")

    def build_optimizer(self, *args: Any, **kwargs: Any) -> Optimizer:
        """Exclude the teacher's frozen weights from the optimizer."""
        optimizer: Optimizer = super().build_optimizer(*args, **kwargs)
        for group in optimizer.param_groups:
            group["params"] = [weight for weight in group["params"] if weight.requires_grad]
            if self.device.type == "cpu" and isinstance(optimizer, (Adam, AdamW)):
                group["fused"] = True
        return optimizer

    def final_eval(self) -> None:
        """Do nothing: kdpipe strips best.pt, and a separate stage validates it."""


class FasterDetectionTrainer(Faster, DetectionTrainer):
    """Trainer for detect."""


class FasterSegmentationTrainer(Faster, SegmentationTrainer):
    """Trainer for segment."""


class FasterPoseTrainer(Faster, PoseTrainer):
    """Trainer for pose."""


class FasterOBBTrainer(Faster, OBBTrainer):
    """Trainer for obb."""


TRAINERS = {
    "detect": FasterDetectionTrainer,
    "segment": FasterSegmentationTrainer,
    "pose": FasterPoseTrainer,
    "obb": FasterOBBTrainer,
}


def _speed_up(trainer: Any) -> None:
    model = unwrap_model(trainer.model)
    student = getattr(model, "student_model", model)
    on_cpu = trainer.device.type == "cpu"
    mixed = on_cpu and bool(trainer.args.amp)
    if isinstance(model, DistillationModel) and not isinstance(model, BackboneModel):
        reads = METHODS[trainer.method["method"] if trainer.method else L2].reads
        make_lean(model, torch.bfloat16 if mixed else torch.float32, reads)
    if mixed:
        trainer.amp = True  # Ultralytics disables it on every CPU
        student.model[-1].register_forward_hook(_in_float32)
    if trainer.compile_mode:
        compile_layers(student, trainer.compile_mode, trainer.device)


def _begin_epoch(trainer: Any) -> None:
    model = unwrap_model(trainer.model)
    if isinstance(model, MethodModel):
        model.begin(trainer.epoch, trainer.epochs)


def _give_back(trainer: Any) -> None:
    if trainer.device.type == "cpu":
        give_back_freed_memory()


def _in_float32(head: nn.Module, _: Any, outputs: Any) -> Any:
    """Convert the head's outputs to float32; bfloat16 would round box corners to half a grid cell."""
    return _float32(outputs) if head.training else outputs


def _float32(outputs: Any) -> Any:
    if isinstance(outputs, torch.Tensor):
        return outputs.float()
    if isinstance(outputs, dict):
        return {name: _float32(value) for name, value in outputs.items()}
    if isinstance(outputs, (list, tuple)):
        return type(outputs)(_float32(value) for value in outputs)
    return outputs
