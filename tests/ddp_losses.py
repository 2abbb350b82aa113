"""A process of two that share a batch: losses and gradients of methods, as Ultralytics sums them.

`torchrun` starts it with the teacher's checkpoint and a folder, into which each process writes a file of its
rank. As in Ultralytics' trainer, each process multiplies its loss by the number of processes, because
DistributedDataParallel takes the mean of their gradients.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from kdpipe.models.methods import METHODS
from kdpipe.models.names import END_TO_END_FAMILIES
from kdpipe.runner.methods import mgd
from tests.runner.test_methods import model, together

PROCESSES, IMAGES = 2, 2  # images per process
NAMES = [name for name, one in METHODS.items() if END_TO_END_FAMILIES[0] in one.families and not one.backbone]


def images(times: int) -> dict[str, Any]:
    """A batch of the same images so many times: shares of such a batch have its statistics."""
    torch.manual_seed(0)
    boxes, pixels = torch.rand(IMAGES, 4) * 0.3 + 0.3, torch.rand(IMAGES, 3, 64, 64)
    return {
        "img": pixels.repeat(times, 1, 1, 1),
        "cls": torch.arange(IMAGES)[:, None].float().repeat(times, 1),
        "bboxes": boxes.repeat(times, 1),
        "batch_idx": torch.arange(IMAGES * times).float(),
        "im_file": [f"{image}.png" for image in range(IMAGES)] * times,
    }


def measured(teacher: Path, method: str, processes: int) -> tuple[float, torch.Tensor]:
    """Distillation loss of a batch, and the gradient of all losses, of this process or of all of them.

    Args:
        teacher: Its checkpoint.
        method: The distillation method.
        processes: The number of processes that share the batch.
    """
    mgd.MASKED = -1.0  # masks nothing: masks of a share are not those of the whole batch
    torch.manual_seed(3)  # of the projector
    pair: Any = together(teacher, model("yolo26n", 0), method=method)
    learned = [value for value in pair.parameters() if value.requires_grad]
    if processes > 1:
        pair = nn.parallel.DistributedDataParallel(pair, find_unused_parameters=True)
    losses, items = pair(images(PROCESSES // processes))
    (losses.sum() * processes).backward()
    gradients = [value.grad.flatten() for value in learned if value.grad is not None]
    return float(items["dis_loss"]), torch.cat(gradients)


if __name__ == "__main__":
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    found = {name: measured(Path(sys.argv[1]), name, PROCESSES) for name in NAMES}
    torch.save(found, Path(sys.argv[2]) / f"{distributed.get_rank()}.pt")
    distributed.destroy_process_group()
