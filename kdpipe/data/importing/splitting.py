"""Splitting validation images off, fairly and always in the same way."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from sklearn.model_selection import StratifiedGroupKFold

from kdpipe.data.importing.formats import Image
from kdpipe.errors import DataError

FOLDS = 5  # one of which becomes val
COPY = re.compile(r"(.+)\.rf\.\w+\.\w+")  # augmented copies of one image, as Roboflow names them
NOTHING = -1  # the class of an image without objects

T = TypeVar("T")


def group_of(name: str, groups: str | None) -> str:
    """To which group an image belongs: what a regular expression finds in its name, else it alone.

    Raises:
        DataError: if the expression cannot be read.
    """
    try:
        match = re.search(groups, name) if groups else COPY.fullmatch(name)
    except re.error as error:
        raise DataError(f"--groups {groups!r} is no regular expression: {error}") from error
    return match.group(match.lastindex or 0) if match else name


def split_off(images: Sequence[Image], groups: Sequence[str], seed: int) -> tuple[list[Image], list[Image]]:
    """Training and validation images: about a fifth for validation, with each class's share kept as
    well as whole groups allow. An image counts for the rarest of its classes.

    Method: scikit-learn's StratifiedGroupKFold (scikit-learn.org, User Guide, Cross-validation).

    Raises:
        DataError: if there are fewer than two groups.
    """
    folds = min(FOLDS, len(set(groups)))
    if folds < 2:  # noqa: PLR2004
        raise DataError("all images are of one group, so none can be kept for validation; see --groups")
    frequency = Counter(class_id for image in images for class_id in image.classes)
    strata = [min(image.classes, key=lambda found: frequency[found], default=NOTHING) for image in images]
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings(action="ignore"):  # that a class has fewer images than there are folds
        train, val = next(folder.split(images, strata, groups))
    return [images[index] for index in train], [images[index] for index in val]
