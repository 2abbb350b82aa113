"""Detectors whose quality is known, to try statistics on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hotcoco import COCO
from numpy.typing import NDArray

from kdpipe.evaluation.predictions import BOX
from kdpipe.evaluation.truth import Truth

SIDE = 640.0  # of an image, in pixels
OBJECT = (16.0, 240.0)  # sides of an object


@dataclass(frozen=True)
class Objects:
    """What is in the images: image and class (from 0) of each object, and its box."""

    images: int
    classes: int
    image: NDArray[np.int64]
    label: NDArray[np.int64]
    box: NDArray[np.float64]


def draw_objects(rng: np.random.Generator, images: int, classes: int, per_image: float) -> Objects:
    """Objects at random; the number in an image varies as in real scenes."""
    counts = rng.negative_binomial(2, 2 / (2 + per_image), images)
    image = np.repeat(np.arange(images), counts)
    sides = np.exp(rng.uniform(*np.log(OBJECT), (len(image), 2)))
    corner = rng.uniform(0, SIDE - sides)
    return Objects(images, classes, image, rng.integers(classes, size=len(image)), np.hstack([corner, sides]))


def truth_of(objects: Objects) -> Truth:
    """The objects as ground truth."""
    coco = COCO.from_arrays(
        images=[{"id": i + 1, "width": SIDE, "height": SIDE} for i in range(objects.images)],
        categories=[{"id": i + 1, "name": str(i)} for i in range(objects.classes)],
        image_ids=objects.image + 1,
        category_ids=objects.label + 1,
        boxes=objects.box,
    )
    names = [str(i) for i in range(objects.classes)]
    return Truth(coco, {str(i): i + 1 for i in range(objects.images)}, names)


def detect(
    rng: np.random.Generator,
    objects: Objects,
    difficulty: NDArray[np.float64],
    skill: float,
    false_positives: float = 1.5,
) -> pd.DataFrame:
    """Predictions of a detector.

    It finds an object the more likely the more its `skill` exceeds the object's `difficulty`, which
    all detectors share; boxes are the better placed the more skilled it is, and `false_positives` per
    object come at random with lower scores.
    """
    chance = 1 / (1 + np.exp(difficulty - skill))
    found = rng.random(len(objects.image)) < chance
    jitter = rng.normal(0, 0.12 * np.exp(-0.3 * skill), (found.sum(), 4))
    sides = np.tile(objects.box[found, 2:], 2)
    right = _frame(
        objects.image[found],
        objects.label[found],
        rng.beta(2 + 4 * chance[found], 2),
        objects.box[found] + jitter * sides,
    )
    count = rng.poisson(false_positives * len(objects.image))
    size = np.exp(rng.uniform(*np.log(OBJECT), (count, 2)))
    wrong = _frame(
        rng.integers(objects.images, size=count),
        rng.integers(objects.classes, size=count),
        rng.beta(1.5, 4, count),
        np.hstack([rng.uniform(0, SIDE - size), size]),
    )
    return pd.concat([right, wrong], ignore_index=True)


def _frame(
    image: NDArray[np.int64], label: NDArray[np.int64], score: NDArray[np.float64], box: NDArray[np.float64]
) -> pd.DataFrame:
    frame = pd.DataFrame(box, columns=BOX)
    return frame.assign(image=image.astype(str), class_id=label, score=score)
