"""What an image costs with the NMS-free (e2e) and with the classical head, in one run.

    python benchmarks/latency.py [CHECKPOINT ...] [--imgsz N] [--rounds N] [--device D]

Checkpoints are best.pt files, or names such as yolo26n for a model that has learned nothing (which finds
nothing, so its NMS has nothing to do). One image at a time; models and heads take their turns. Medians of
Ultralytics' own clocks, in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")  # several models push each other out

import pandas as pd
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.step import machine
from kdpipe.models.names import HEADS

PARTS = ("preprocess", "inference", "postprocess")
CONFIDENCE = 0.25  # as in Ultralytics' predict
WARM_UP = 3
console = Console(stderr=True)


def predictors(checkpoints: list[str], imgsz: int, device: str) -> dict[tuple[str, str], Any]:
    """A function per checkpoint and head that predicts on an image."""
    from kdpipe.yolo.hermetic import configure

    configure()
    from ultralytics import YOLO

    def predictor(checkpoint: str, head: str) -> Any:
        model = YOLO(checkpoint if checkpoint.endswith(".pt") else f"{checkpoint}.yaml")
        arguments = {"imgsz": imgsz, "device": device, "conf": CONFIDENCE, "nms": head == "nms"}
        return lambda image: model.predict(image, verbose=False, **arguments)[0].speed

    return {(name, head): predictor(name, head) for name in checkpoints for head in HEADS}


def measure(checkpoints: list[str], imgsz: int, rounds: int, device: str) -> pd.DataFrame:
    """Medians in milliseconds, a row per model and head.

    Args:
        checkpoints: Files, or names of models.
        imgsz: Width and height of the image in pixels.
        rounds: Predictions of each.
        device: Device in Ultralytics' notation.
    """
    import numpy as np

    image = np.random.default_rng(0).integers(0, 256, (imgsz, imgsz, 3), dtype=np.uint8)
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    ready = predictors(checkpoints, imgsz, device)
    for number in track(range(WARM_UP + rounds), "rounds", console=console):
        for key, predict in ready.items():
            for part, milliseconds in predict(image).items():
                if number >= WARM_UP:
                    found[key][part].append(milliseconds)
    lines = [
        {"model": name, "head": head, **{part: median(times[part]) for part in PARTS}}
        for (name, head), times in found.items()
    ]
    table = pd.DataFrame(lines)
    table["sum"] = table[list(PARTS)].sum(axis=1)
    return table


def main() -> None:
    """Print the table."""
    from kdpipe.yolo.arguments import device

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", default=["yolo26n", "yolo26s"])
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--device", default=device())
    options = parser.parse_args()
    table = measure(options.checkpoints, options.imgsz, options.rounds, options.device)
    print(machine())
    print(f"\n{options.imgsz} px, one image at a time; milliseconds\n")
    print(table.to_markdown(index=False, floatfmt=".2f"))


if __name__ == "__main__":
    main()
