"""How often the 95 % interval of a gain holds the true gain, on simulated detectors.

    python benchmarks/coverage.py [--simulations N] [--seeds N] [--images N]

In each simulation a validation set is drawn, and students are trained with several seeds: the skill of
the baseline and of the distilled student of one seed vary around two known means, and so do the objects
that each of them finds. The true gain is the mean gain over many more such experiments than intervals
are tried on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.simulation import detect, draw_objects, truth_of
from kdpipe.evaluation import evaluate
from kdpipe.report.gains import Gain, Measurement, paired_gain

CLASSES, PER_IMAGE = 5, 4.0
BASELINE, DISTILLED = 0.5, 0.7  # mean skills
SPREAD = 0.08  # of the skill, between trainings
METRIC = "coco/AP"


def experiment(rng: np.random.Generator, images: int, seeds: int, resamples: int) -> Gain:
    """One validation set, a baseline and a distilled student per seed, and the gain that comes out."""
    objects = draw_objects(rng, images, CLASSES, PER_IMAGE)
    difficulty = rng.normal(0, 1, len(objects.image))
    truth = truth_of(objects)

    def measured(mean: float) -> Measurement:
        predictions = detect(rng, objects, difficulty, rng.normal(mean, SPREAD))
        metrics, deviations = evaluate(truth, predictions, resamples, seed=0)
        return Measurement(metrics[METRIC], deviations["AP"])

    before = {seed: measured(BASELINE) for seed in range(seeds)}
    return paired_gain(before, {seed: measured(DISTILLED) for seed in before})


def coverage(simulations: int, seeds: int, images: int, resamples: int, show: bool = False) -> float:
    """The share of simulations whose interval holds the true gain."""
    rng = np.random.default_rng(0)
    counts = range(simulations)
    gains = [
        experiment(rng, images, seeds, resamples)
        for _ in track(counts, "simulations", disable=not show, transient=True)
    ]
    further = [experiment(rng, images, seeds, 2).mean for _ in range(2 * simulations)]
    true = float(np.mean([*(gain.mean for gain in gains), *further]))
    held = [gain.low <= true <= gain.high for gain in gains if gain.low is not None and gain.high is not None]
    if show:
        spread, claimed = np.std([g.mean for g in gains]), np.mean([g.image_error or 0 for g in gains])
        print(f"true gain {true:.4f}; it spreads by {spread:.4f}, of which {claimed:.4f} by the images")
    return float(np.mean(held))


def main() -> None:
    """Print the coverage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--resamples", type=int, default=60)
    options = parser.parse_args()
    found = coverage(**vars(options), show=True)
    print(f"coverage = {found:.3f} ({options.simulations} simulations)")


if __name__ == "__main__":
    main()
