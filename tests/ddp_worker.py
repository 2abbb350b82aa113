"""A process of a training on two GPUs, with the CPU in their place: gloo instead of NCCL.

Ultralytics counts no processes on a CPU, and asks for a GPU to set one up: those two places are replaced.
Each process notes what it has learned at the start of every epoch.
"""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from kdpipe.runner import ddp_worker
from kdpipe.yolo.hermetic import configure  # isolates Ultralytics

# isort: split
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.utils import RANK, WORLD_SIZE

exact = BaseTrainer.__init__


def init(self: Any, cfg: Any, overrides: dict[str, Any], callbacks: Any) -> None:
    exact(self, cfg, {**overrides, "device": "cpu"}, callbacks)
    self.world_size = WORLD_SIZE
    self.add_callback("on_train_epoch_start", note)


def note(trainer: Any) -> None:
    """Append the number of the epoch, and a digest of the weights of student and projector."""
    learned = [value.detach().numpy() for value in trainer.model.parameters() if value.requires_grad]
    digest = hashlib.sha256(b"".join(value.tobytes() for value in learned)).hexdigest()
    with (trainer.save_dir / f"learned-{RANK}.txt").open("a") as file:
        file.write(f"{trainer.epoch + 1} {digest}\n")


def set_up(_: Any) -> None:
    distributed.init_process_group("gloo", timeout=timedelta(seconds=60), rank=RANK, world_size=WORLD_SIZE)


class Parallel(torch.nn.parallel.DistributedDataParallel):
    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **{**options, "device_ids": None})


if __name__ == "__main__":
    configure()
    BaseTrainer.__init__ = init
    BaseTrainer._setup_ddp = set_up
    torch.nn.parallel.DistributedDataParallel = Parallel
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    ddp_worker.main(*sys.argv[1:])
