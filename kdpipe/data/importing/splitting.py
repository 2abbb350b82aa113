"""Reproducible, stratified split of training images into train and val."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from kdpipe.data.importing.annotations import Image
from kdpipe.errors import DataError

FOLDS = 5  # one fold becomes val
COPY = re.compile(r"(.+)\.rf\.\w+\.\w+")  # Roboflow's names for augmented copies of one image
NOTHING = -1  # stratum of images without objects
# A process of its own can be stopped: some regular expressions take years.
SEARCH = """\
import json, re, sys
pattern, paths = json.load(sys.stdin)
found = [re.search(pattern, path.rpartition("/")[2]) or re.search(pattern, path) for path in paths]
print(json.dumps([match.group(match.lastindex or 0) if match else None for match in found]))
"""
LONGEST = 20  # seconds


def groups_of(paths: Sequence[str], groups: str | None) -> list[str]:
    """Group of each image: what the regular expression matches in its name, or in its path, or else the name.

    Args:
        paths: The path of each image below the folder that was given.
        groups: The regular expression; None for the names of copies that Roboflow gives.

    Raises:
        DataError: if the regular expression is invalid, takes too long, or matches no image.
    """
    if groups is None:
        names = (PurePosixPath(path).name for path in paths)
        return [match[1] if (match := COPY.fullmatch(name)) else name for name in names]
    try:
        re.compile(groups)
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"--groups {groups!r} is no regular expression: {error}") from error
    try:
        found = subprocess.run(
            [sys.executable, "-I", "-c", SEARCH],
            input=json.dumps([groups, paths]),
            capture_output=True,
            text=True,
            encoding="ascii",
            check=True,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise DataError(
            f"--groups {groups!r} takes longer than {LONGEST} s on the names of the images; "
            "write it without repeats within repeats, such as (a+)+"
        ) from None
    matches = json.loads(found.stdout)
    if not any(matches):
        raise DataError(f"--groups {groups!r} matches no image, such as {paths[0]}")
    return [match or PurePosixPath(path).name for match, path in zip(matches, paths, strict=True)]


def with_equal_files(paths: Sequence[Path], groups: Sequence[str]) -> list[str]:
    """Group of each image, where equal files bring their groups together; the first by the alphabet names it.

    Args:
        paths: The image files.
        groups: Group of each image by its name.
    """
    contents = _contents(paths)
    numbers = {name: number for number, name in enumerate(dict.fromkeys([*groups, *contents]))}
    joins = [numbers[name] for name in groups], [numbers[name] for name in contents]
    graph = coo_array((np.ones(len(paths)), joins), shape=(len(numbers), len(numbers)))
    together = connected_components(graph, directed=False)[1]
    first: dict[int, str] = {}
    for name in sorted(set(groups)):
        first.setdefault(together[numbers[name]], name)
    return [first[together[numbers[name]]] for name in groups]


def _contents(paths: Sequence[Path]) -> list[tuple[int, str]]:
    """Size and digest of each file; of a file of a size of its own, its number in place of the digest."""
    sizes = [path.stat().st_size for path in paths]
    times = Counter(sizes)
    return [
        (size, sha256(path.read_bytes()).hexdigest() if times[size] > 1 else str(number))
        for number, (path, size) in enumerate(zip(paths, sizes, strict=True))
    ]


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
    if folds > max(Counter(strata).values()):  # too few images of each class to stratify by it
        strata = [NOTHING] * len(images)
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings(action="ignore"):  # about classes with fewer images than folds
        found = folder.split(images, strata, groups)
        # The first one that is within an image of it: large groups make folds of any size.
        train, val = min(found, key=lambda fold: max(abs(len(fold[1]) - len(images) / FOLDS), 1))
    return [images[index] for index in train], [images[index] for index in val]
