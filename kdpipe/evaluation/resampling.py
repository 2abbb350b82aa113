"""Uncertainty of AP that comes from the choice of images.

AP is computed again on random halves of the images, drawn without replacement. The spread over such halves
estimates the spread of the AP of all images over data sets of this size (the delete-d jackknife with d = n/2:
J. Shao and C. F. J. Wu, "A General Theory for Jackknife Variance Estimation", Annals of Statistics 17, 1989).

A bootstrap sample counts some images twice, which COCO's matching cannot do. Evaluation libraries drop the
repetitions; their samples have about 63 % of the images, and their spread is too small by a factor of
sqrt(e - 1), about 1.3.

The halves are the same for every checkpoint. So differences between checkpoints are paired image by image,
and each checkpoint is evaluated once for all comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdpipe.cells.record import REMEDY
from kdpipe.errors import damaged

RESAMPLES_FILE = "resamples.npy"
FEWEST_IMAGES = 2


def half_samples(images: Sequence[int], count: int, seed: int) -> dict[str, list[int]]:
    """Random halves of the images, without replacement.

    Args:
        images: Image ids.
        count: Number of halves.
        seed: Random seed.

    Returns:
        Image ids by name of the half; empty for fewer than two images.
    """
    if len(images) < FEWEST_IMAGES:
        return {}
    rng = np.random.default_rng(seed)
    half = len(images) // 2
    return {str(i): rng.choice(images, half, replace=False).tolist() for i in range(count)}


def deviations(values: NDArray[np.float64], images: int) -> NDArray[np.float64]:
    """Deviations of the half samples' values from their mean, scaled to all images.

    Their variance is that of the value over data sets of this size. The covariance of the deviations of two
    checkpoints is that of their values. A half without objects (NaN) counts as the mean.

    Args:
        values: AP of each half sample, (n,); may contain NaN.
        images: Number of images.

    Returns:
        Deviations, (n,), or (0,) if all values are NaN.
    """
    if np.isnan(values).all():
        return np.zeros(0)
    half = images // 2
    scaled: NDArray[np.float64] = (values - np.nanmean(values)) * np.sqrt(half / (images - half))
    return np.nan_to_num(scaled)


def save_resamples(samples: Mapping[str, NDArray[np.float64]], path: Path) -> None:
    """Store deviations, (n,) each, as one field per `split/head/metric`; shorter ones are padded with NaN."""
    longest = max(map(len, samples.values()), default=0)
    stored = np.empty(longest, [(place, np.float32) for place in samples])
    for place, values in samples.items():
        stored[place] = np.nan
        stored[place][: len(values)] = values
    np.save(path, stored)


def load_resamples(path: Path) -> NDArray[np.void]:
    """Read the structured array that `save_resamples` stored, (n,), one field per `split/head/metric`.

    Raises:
        KdpipeError: if the file is empty or cut short.
    """
    try:
        stored: NDArray[np.void] = np.load(path)
    except (ValueError, EOFError) as error:
        raise damaged(path, error, REMEDY) from error
    return stored


def deviations_at(stored: NDArray[np.void], place: str) -> NDArray[np.float64]:
    """Deviations of one `split/head/metric`, (n,), without NaN."""
    values: NDArray[np.float64] = stored[place].astype(float)
    return values[~np.isnan(values)]
