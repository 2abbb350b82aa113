"""The keys of a data yaml that describe keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdpipe.errors import DataError

SHAPE, FLIPPED, SIGMAS = "kpt_shape", "flip_idx", "kpt_oks_sigmas"
VALUES = (2, 3)  # of a keypoint: x, y; or x, y, visibility


def used(task: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a data yaml without those about keypoints that the task must not hand on.

    With `kpt_shape`, Ultralytics takes lines of that length for a box and keypoints. For detect that is
    right; for segment and obb they are outlines.

    Args:
        task: Task of the labels.
        fields: Keys of the data yaml.
    """
    handed_on = {"pose": (SHAPE, FLIPPED, SIGMAS), "detect": (SHAPE,)}.get(task, ())
    excluded = [key for key in (SHAPE, FLIPPED, SIGMAS) if key not in handed_on or fields.get(key) is None]
    return {key: value for key, value in fields.items() if key not in excluded}


def shape_of(task: str, fields: Mapping[str, Any]) -> tuple[int, int] | None:
    """Number of keypoints and values per keypoint; None without keypoints.

    Args:
        task: Task of the labels.
        fields: Keys of the data yaml that the task uses.

    Raises:
        DataError: if the keys that the task needs are missing or wrong.
    """
    if task != "pose" and SHAPE not in fields:
        return None
    match fields.get(SHAPE):
        case [int(count), int(values)] if count > 0 and values in VALUES:
            _check_flipped(fields.get(FLIPPED), count)
            _check_sigmas(fields.get(SIGMAS), count)
            return count, values
        case wrong:
            raise DataError(
                f"data.source: task {task} needs kpt_shape in the data yaml, such as [17, 3]: the number of "
                f"keypoints, and 2 (x, y) or 3 (x, y, visibility); found {wrong}"
            )


def _check_flipped(flipped: object, count: int) -> None:
    if flipped is None or flipped == []:
        return
    numbers = flipped if isinstance(flipped, list) else [flipped]
    if all(type(number) is int for number in numbers) and sorted(numbers) == list(range(count)):
        return
    raise DataError(
        f"data.source: flip_idx: {flipped}: name each keypoint from 0 to {count - 1} once, in the order that "
        "they have in a mirrored image"
    )


def _check_sigmas(sigmas: object, count: int) -> None:
    if sigmas is None or (isinstance(sigmas, list) and len(sigmas) == count and all(map(_positive, sigmas))):
        return
    raise DataError(f"data.source: kpt_oks_sigmas: {sigmas}: write {count} numbers above 0, one per keypoint")


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
