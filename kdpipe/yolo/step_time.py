"""Time a step of a model on this device, to tell how long a training will take before the first one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from typing import Any

import torch

from kdpipe.environment import training_versions
from kdpipe.models.names import ModelName
from kdpipe.models.own_yaml import yaml_of
from kdpipe.paths import digest_of, resolve, state_dir
from kdpipe.yolo.device import device_name
from kdpipe.yolo.rebuild import MODELS, undisturbed

STEPS = 2  # after a first one, which is slower
MOST_IMAGES = 4  # on a CPU more images take as much time each


def seconds_per_image(model: ModelName, imgsz: int, batch: int, device: str) -> float:
    """Return the time of one image forward and backward through a new model, measured once per machine.

    It is without augmentation, loss and optimizer, so a training takes longer.

    Args:
        model: The architecture.
        imgsz: Side of an image in pixels.
        batch: Images per step.
        device: The device in Ultralytics' notation.
    """
    batch = min(batch, MOST_IMAGES) if device == "cpu" else batch
    where = [device_name(device), f"{torch.get_num_threads()} threads", *training_versions().values()]
    own = [digest_of(resolve(model.file))] if model.file else []
    key = " ".join([str(model), *own, f"{imgsz} px", f"batch {batch}", *where])
    path = state_dir() / "steps.json"
    known: dict[str, float] = {}
    with suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
    if key not in known:
        known[key] = _measured(model, imgsz, batch, device) / batch
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(known, indent=2), encoding="utf-8")
        part.replace(path)
    return known[key]


def _measured(model: ModelName, imgsz: int, batch: int, device: str) -> float:
    place = torch.device("cpu" if device == "cpu" else f"cuda:{device}" if device.isdigit() else device)
    best = inf
    with undisturbed():
        network = MODELS[model.task](yaml_of(model), verbose=False).to(place).train()
        images = torch.rand(batch, 3, imgsz, imgsz, device=place)
        for number in range(1 + STEPS):
            began = time.perf_counter()
            loss = sum(found.float().mean() for found in _tensors(network(images)))
            assert isinstance(loss, torch.Tensor)
            loss.backward()  # type: ignore[no-untyped-call]
            float(loss.detach())  # a GPU has finished
            if number:
                best = min(best, time.perf_counter() - began)
    return best


def _tensors(found: Any) -> Iterator[torch.Tensor]:
    """The tensors in what a model returns."""
    if isinstance(found, torch.Tensor):
        yield found
    elif isinstance(found, dict | list | tuple):
        for inner in found.values() if isinstance(found, dict) else found:
            yield from _tensors(inner)
