"""How long the half samples behind an interval take, and how that grows.

    python benchmarks/bootstrap.py [--images N] [--classes N] [--resamples N] [--growth]

The time is that of one checkpoint with one head on one split. Each is measured once: every comparison
takes its half samples from there.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.simulation import detect, draw_objects, truth_of
from kdpipe.evaluation import evaluate

OBJECTS_PER_IMAGE = 7.4  # as in COCO's val2017
FALSE_POSITIVES = 12.0  # per object: about 95 predictions per image, as from a confidence of 0.001


def seconds(images: int, classes: int, resamples: int) -> float:
    """Time to evaluate one checkpoint and its half samples."""
    rng = np.random.default_rng(0)
    objects = draw_objects(rng, images, classes, OBJECTS_PER_IMAGE)
    difficulty = rng.normal(0, 1, len(objects.image))
    predictions = detect(rng, objects, difficulty, 1.0, FALSE_POSITIVES)
    truth = truth_of(objects)
    started = time.perf_counter()
    evaluate(truth, predictions, resamples, seed=0)
    return time.perf_counter() - started


def main() -> None:
    """Print the time, and with --growth those of half the size along each axis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--growth", action="store_true", help="also time half of each")
    options = parser.parse_args()
    size = {"images": options.images, "classes": options.classes, "resamples": options.resamples}
    whole = seconds(**size)
    if options.growth:
        for axis, value in size.items():
            print(f"half the {axis}: {seconds(**{**size, axis: value // 2}) / whole:.2f} of the time")
    print(f"{options.resamples} resamples, {options.images} images, {options.classes} classes: {whole:.1f} s")


if __name__ == "__main__":
    main()
