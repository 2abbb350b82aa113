"""JSON files: their content, with the objects of COCO made compact while they are read."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from kdpipe.console import console
from kdpipe.data.importing.annotations import text_of
from kdpipe.data.importing.geometry import turned
from kdpipe.data.importing.objects import Box, Shape, finite
from kdpipe.data.labels import BOX_VALUES
from kdpipe.errors import DataError

LARGE = 20 * 2**20  # bytes of a file that takes seconds to read
NOT_NUMBERS = (float("nan"),) * 4  # refused with the name of the picture


def content_of(file: Path) -> Any:
    """Content of a JSON file; objects of COCO are pairs of the image's id and a `Shape`.

    Raises:
        DataError: naming the line that is no JSON.
    """
    try:
        with console.status(f"reading {escape(file.name)}") if file.stat().st_size > LARGE else nullcontext():
            return json.loads(text_of(file, "json"), object_hook=_compact)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{file}, line {error.lineno}: no valid json ({error.msg}); export it again"
        ) from None
    except RecursionError:
        raise DataError(f"{file} is nested too deeply to be annotations") from None


def _compact(entry: dict[str, Any]) -> Any:
    """An annotation of COCO as a pair, which takes a fraction of the memory; all else as it is."""
    if "image_id" not in entry or "category_id" not in entry:
        return entry
    shape = Shape(entry["category_id"], entry.get("id"), _corners(entry.get("bbox")))
    outline = entry.get("segmentation")
    if isinstance(outline, list):
        shape.parts = _outlines(outline)
    elif isinstance(outline, dict):
        shape.mask = partial(_decoded, outline)
    shape.keypoints = _numbers(entry.get("keypoints") or ())
    if entry.get("iscrowd"):
        shape.skip = "crowds (`iscrowd`)"
    attributes = entry.get("attributes")  # of CVAT
    if isinstance(attributes, dict) and attributes.get("rotation") and shape.box:
        degrees = finite([attributes["rotation"]])
        shape.corners = turned(shape.box, degrees[0]) if degrees else NOT_NUMBERS
    return entry["image_id"], shape


def _outlines(parts: list[Any]) -> list[array[float]]:
    try:
        return [array("d", part) for part in parts]
    except (TypeError, OverflowError):  # not lists of numbers
        return []


def _numbers(values: Any) -> Sequence[float]:
    try:
        return array("d", values)
    except (TypeError, OverflowError):
        return NOT_NUMBERS


def _corners(bbox: Any) -> Box | None:
    if bbox is None or bbox == []:
        return None
    values = _numbers(bbox)
    left, top, width, height = values if len(values) == BOX_VALUES else NOT_NUMBERS
    return left, top, left + width, top + height


def _decoded(rle: dict[str, Any]) -> NDArray[np.uint8]:
    """The mask of a run-length encoding; raises a ValueError if it is broken."""
    from hotcoco import mask

    try:
        return np.ascontiguousarray(mask.decode(rle))
    except (ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"a mask (RLE) cannot be decoded: {error}") from None
