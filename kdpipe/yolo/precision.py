"""Which type the layers of a training use on a CPU: bfloat16 where it is measured to be faster, else float32.

Processors of one kind differ: with avx512_bf16 alone, bfloat16 was faster on one and slower on another. All
trainings of a project use the type that the first one chose, as another type is another comparison.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from kdpipe.cells.cell import RUNS_DIR, TEACHERS_DIR
from kdpipe.cells.record import RECORD_FILE, load_record
from kdpipe.environment import processor, training_versions
from kdpipe.errors import KdpipeError
from kdpipe.paths import state_dir

FASTER = 0.9  # of the time in float32: for less, bfloat16 is too coarse
LEVELS = ((64, 8), (128, 16), (256, 32))  # channels and strides of a small YOLO's neck
IMAGES = 4
ROUNDS, AT_LEAST = 3, 0.5  # and seconds
FLOAT32, BFLOAT16 = "float32", "bfloat16"


@dataclass(frozen=True)
class Precision:
    """The type of the layers, and why."""

    name: str
    why: str

    def __str__(self) -> str:
        """Both."""
        return f"{self.name}: {self.why}"

    @property
    def mixed(self) -> bool:
        """Whether it is bfloat16."""
        return self.name == BFLOAT16


def precision(imgsz: int) -> Precision:
    """Choose the type for trainings on this CPU, or go on with that of this project's earlier trainings.

    Args:
        imgsz: Size of the images in pixels.
    """
    folder = state_dir()
    folder.mkdir(parents=True, exist_ok=True)
    versions = training_versions()
    path, key = folder / "precision.json", " ".join(f"{name} {found}" for name, found in versions.items())
    with FileLock(path.with_suffix(".lock")):
        known = _read(path)
        if key not in known:
            found = next(_earlier(versions), None)
            known[key] = vars(found or measured(imgsz))
            path.write_text(json.dumps(known, indent=2), encoding="utf-8")
    return Precision(**known[key])


def ratio(imgsz: int) -> float:
    """Time of some convolutions in bfloat16, forward and backward, as a multiple of that in float32.

    It is CPU time of one thread: several would wait for each other where other work runs beside them, in both
    types alike.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _ratio(imgsz)
    finally:
        torch.set_num_threads(threads)


def _ratio(imgsz: int) -> float:
    best = dict.fromkeys((FLOAT32, BFLOAT16), float("inf"))
    blocks = [(_block(channels), _images(channels, imgsz // stride)) for channels, stride in LEVELS]
    rounds, end = 0, time.perf_counter() + AT_LEAST
    while rounds < ROUNDS or time.perf_counter() < end:  # the fastest round is the least disturbed one
        for name in best:
            best[name] = min(best[name], _seconds(blocks, mixed=name == BFLOAT16))
        rounds += 1
    return best[BFLOAT16] / best[FLOAT32]


def measured(imgsz: int) -> Precision:
    """The type that is faster here, whatever earlier trainings have used."""
    found = ratio(imgsz)
    where = f"{processor()}, 1 thread, {imgsz} px"
    why = f"convolutions in bfloat16 take {found:.2f} of the time in float32 ({where})"
    return Precision(BFLOAT16 if found <= FASTER else FLOAT32, why)


def _earlier(versions: dict[str, str]) -> Iterator[Precision]:
    """Types that finished trainings of this project chose on a CPU, with the same versions."""
    for folder in (TEACHERS_DIR, RUNS_DIR):
        for path in folder.rglob(RECORD_FILE):
            try:
                record = load_record(path.parent)
            except KdpipeError:
                continue
            if (
                record.environment.get("device") == "CPU"
                and record.identity.versions == versions
                and "amp" not in record.identity.arguments
                and "amp" in record.arguments
            ):
                yield Precision(
                    BFLOAT16 if record.arguments["amp"] else FLOAT32, f"as {record.identity.cell}"
                )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _block(channels: int) -> nn.Module:
    """Several convolutions, as casting the images counts once."""
    layers = [
        layer
        for kernel in (3, 1, 3)
        for layer in (
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
        )
    ]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def _images(channels: int, side: int) -> torch.Tensor:
    images = torch.ones(IMAGES, channels, max(1, side), max(1, side))
    return images.to(memory_format=torch.channels_last)


def _seconds(blocks: list[tuple[nn.Module, torch.Tensor]], *, mixed: bool) -> float:
    began = time.process_time()
    for block, images in blocks:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            found = block(images)
        found.float().sum().backward()
    return time.process_time() - began
