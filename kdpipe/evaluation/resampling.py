"""How much a result depends on which images it was measured on.

AP is measured again on random halves of the images, drawn without replacement. Over such halves a
statistic spreads as the statistic of all images spreads over data sets of this size (the
delete-d jackknife with d = n/2: J. Shao and C. F. J. Wu, "A General Theory for Jackknife Variance
Estimation", Annals of Statistics 17, 1989). A bootstrap sample counts some images twice, which COCO's
matching cannot; leaving out the repetitions, as evaluation libraries do, gives samples of about
63 % of the images and a spread that is too small by a factor of sqrt(e - 1), about 1.3.

The halves are the same for every checkpoint, so that differences of two checkpoints are paired image
by image, and each checkpoint is measured once for all its comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RESAMPLES_FILE = "resamples.npy"
FEWEST_IMAGES = 2


def half_samples(images: Sequence[int], count: int, seed: int) -> dict[str, list[int]]:
    """`count` random halves of the images, by name; none of fewer than two images."""
    if len(images) < FEWEST_IMAGES:
        return {}
    rng = np.random.default_rng(seed)
    half = len(images) // 2
    return {str(i): rng.choice(images, half, replace=False).tolist() for i in range(count)}


def deviations(values: NDArray[np.float64], images: int) -> NDArray[np.float64]:
    """How far the values of the half samples lie from their mean, scaled to all images.

    Their variance is that of the value over data sets of this size, and the covariance of two
    checkpoints' deviations that of their values. A half without any object (NaN) counts as the mean.
    """
    if np.isnan(values).all():
        return np.zeros(0)
    half = images // 2
    scaled: NDArray[np.float64] = (values - np.nanmean(values)) * np.sqrt(half / (images - half))
    return np.nan_to_num(scaled)


def save_resamples(samples: Mapping[str, NDArray[np.float64]], path: Path) -> None:
    """Store deviations by `split/head`: a field each, of NaN where there are none."""
    longest = max(map(len, samples.values()))
    stored = np.full(longest, np.nan, [(place, np.float32) for place in samples])
    for place, values in samples.items():
        stored[place][: len(values)] = values
    np.save(path, stored)


def load_resamples(path: Path) -> NDArray[np.void]:
    """Read what `save_resamples` stored."""
    stored: NDArray[np.void] = np.load(path)
    return stored


def deviations_at(stored: NDArray[np.void], place: str) -> NDArray[np.float64]:
    """The deviations of one `split/head`."""
    values: NDArray[np.float64] = stored[place].astype(float)
    return values[~np.isnan(values)]
