"""Predictions from a result file of COCO, as other tools write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from hotcoco import mask
from pydantic import FailFast, TypeAdapter

from kdpipe.errors import DataError, counted
from kdpipe.evaluation.coco_json import MaskResult, PoseResult, Result, place_of, read_json
from kdpipe.evaluation.coco_truth import CocoFile
from kdpipe.evaluation.predictions import frame_of
from kdpipe.evaluation.truth import VALUES_OF_POINT

_KINDS: dict[str, tuple[TypeAdapter[Any], str]] = {
    "detect": (
        TypeAdapter(Annotated[list[Result], FailFast()]),
        "bbox [left, top, width, height]",
    ),
    "segment": (
        TypeAdapter(Annotated[list[MaskResult], FailFast()]),
        "segmentation {size, counts}, compressed as by pycocotools",
    ),
    "pose": (
        TypeAdapter(Annotated[list[PoseResult], FailFast()]),
        "keypoints [x, y, confidence, ...]",
    ),
}


def load_coco_results(path: Path, annotated: CocoFile) -> pd.DataFrame:
    """Read a result file of COCO, one row per prediction, as from `kdpipe.evaluation.load_predictions`.

    Args:
        path: The file; an empty list means that nothing was found.
        annotated: The annotations that it is of.

    Raises:
        DataError: if it has another format, or predictions for images or classes without annotations.
    """
    task = annotated.truth.task
    kind, own = _KINDS[task]
    expected = f"a list of results, each an object with image_id, category_id, score and {own}"
    return frame_of(_entries(path, read_json(path, kind, expected), annotated), task)


def _entries(path: Path, results: Sequence[Result], annotated: CocoFile) -> Iterator[dict[str, Any]]:
    """Yield the results in the format of Ultralytics, which names images and numbers classes from 1 on."""
    for number, result in enumerate(results):
        place = f"{path}: {place_of(number)}"
        name = _known(place, "image", result.image_id, annotated.images, annotated.path)
        category = _known(place, "category", result.category_id, annotated.categories, annotated.path)
        own = _OWN[annotated.truth.task](place, result, annotated, name)
        yield {"file_name": name, "category_id": category, "score": result.score, **own}


def _known(place: str, what: str, given: int, known: Mapping[int, Any], truth: Path) -> Any:
    if given in known:
        return known[given]
    things = counted(len(known), what, {"category": "categories"}.get(what, ""))
    ids = f"ids from {min(known)} to {max(known)}"
    raise DataError(f"{place}.{what}_id is {given}, which {truth} does not have; it has {things}, {ids}")


def _box(_place: str, result: Any, _annotated: CocoFile, _name: str) -> dict[str, Any]:
    return {"bbox": result.bbox}


def _mask(place: str, result: Any, annotated: CocoFile, name: str) -> dict[str, Any]:
    width, height = annotated.truth.sizes[name]
    found = result.segmentation.model_dump()
    if found["size"] != (height, width):
        sizes = f"{list(found['size'])} for an image of [{height}, {width}]"
        raise DataError(f"{place}.segmentation.size is {sizes} (height, width)")
    try:
        around = mask.to_bbox(found).tolist()
    except ValueError as error:
        raise DataError(f"{place}.segmentation.counts is no compressed mask: {error}") from error
    return {"bbox": result.bbox or around, "segmentation": found}


def _pose(place: str, result: Any, annotated: CocoFile, _name: str) -> dict[str, Any]:
    expected = VALUES_OF_POINT * annotated.keypoints
    if len(result.keypoints) != expected:
        given = f"{place}.keypoints has {len(result.keypoints)} values"
        raise DataError(f"{given}; the objects of {annotated.path} have {expected}")
    points = np.reshape(result.keypoints, (-1, VALUES_OF_POINT))[:, :2]
    corner = points.min(axis=0)
    around = [*corner.tolist(), *(points.max(axis=0) - corner).tolist()]
    return {"bbox": result.bbox or around, "keypoints": result.keypoints}


_OWN: dict[str, Callable[[str, Any, CocoFile, str], dict[str, Any]]] = {
    "detect": _box,
    "segment": _mask,
    "pose": _pose,
}
