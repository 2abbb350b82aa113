"""Reproducible, stratified split of training images into train and val."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from sklearn.model_selection import StratifiedGroupKFold

from kdpipe.data.importing.formats import Image
from kdpipe.errors import DataError

FOLDS = 5  # one fold becomes val
COPY = re.compile(r"(.+)\.rf\.\w+\.\w+")  # Roboflow's names for augmented copies of one image
NOTHING = -1  # stratum of images without objects

T = TypeVar("T")


def group_of(name: str, groups: str | None) -> str:
    """Group of an image: the text that the regular expression matches in its name, or else the name itself.

    Raises:
        DataError: if the regular expression is invalid.
    """
    try:
        match = re.search(groups, name) if groups else COPY.fullmatch(name)
    except re.error as error:
        raise DataError(f"--groups {groups!r} is no regular expression: {error}") from error
    return match.group(match.lastindex or 0) if match else name


def split_off(images: Sequence[Image], groups: Sequence[str], seed: int) -> tuple[list[Image], list[Image]]:
    """Split images into train and val: about a fifth for val, stratified by class as far as groups allow.

    An image counts for the rarest of its classes. Method: scikit-learn's StratifiedGroupKFold
    (scikit-learn.org, User Guide, Cross-validation).

    Args:
        images: All images, with their labels.
        groups: Group of each image; a group is never split.
        seed: Random seed.

    Returns:
        The images of train, and those of val.

    Raises:
        DataError: if there are fewer than two groups.
    """
    folds = min(FOLDS, len(set(groups)))
    if folds < 2:  # noqa: PLR2004
        raise DataError("all images are of one group, so none can be kept for validation; see --groups")
    frequency = Counter(class_id for image in images for class_id in image.classes)
    strata = [min(image.classes, key=lambda found: frequency[found], default=NOTHING) for image in images]
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings(action="ignore"):  # about classes with fewer images than folds
        train, val = next(folder.split(images, strata, groups))
    return [images[index] for index in train], [images[index] for index in val]
