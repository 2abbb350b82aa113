"""Predictions of a checkpoint on one split with one head, stored as a Parquet file.

Columns: `image` (file name), `class_id` and `score`; and in pixels of the original image the box as `x`, `y`
(upper left corner), `width`, `height`. For segment the mask is `counts` (COCO's compressed run-length
encoding); for pose `keypoints` is a flat list of x, y, confidence. For obb the box is `centre_x`, `centre_y`,
`width`, `height` and `angle` (radians, clockwise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from kdpipe.cells.record import REMEDY
from kdpipe.errors import damaged

BOX = ["x", "y", "width", "height"]
ROTATED_BOX = ["centre_x", "centre_y", "width", "height", "angle"]
KEYPOINTS, MASK = "keypoints", "counts"
FIRST_CATEGORY = 1  # first class id in Ultralytics' JSON

_COMMON = {"image": "category", "class_id": "int32", "score": "float32"}
_OWN: dict[str, dict[str, str]] = {
    "detect": dict.fromkeys(BOX, "float32"),
    "segment": {**dict.fromkeys(BOX, "float32"), MASK: "object"},
    "pose": {**dict.fromkeys(BOX, "float32"), KEYPOINTS: "object"},
    "obb": dict.fromkeys(ROTATED_BOX, "float32"),
}
_READ: dict[str, Callable[[Mapping[str, Any]], Iterable[Any]]] = {
    "detect": lambda entry: entry["bbox"],
    "segment": lambda entry: [*entry["bbox"], entry["segmentation"]["counts"]],
    "pose": lambda entry: [*entry["bbox"], entry["keypoints"]],
    "obb": lambda entry: entry["rbox"],
}


def predictions_file(split: str, head: str) -> str:
    """Name of the file in a training's validation folder."""
    return f"predictions-{split}-{head}.parquet"


def save_predictions(entries: Iterable[Mapping[str, Any]], task: str, path: Path) -> None:
    """Store the predictions that an Ultralytics validator collects with `save_json`.

    Args:
        entries: Predictions in Ultralytics' JSON format, with boxes in pixels of the original image.
        task: Task of the model.
        path: Path of the Parquet file.
    """
    types = _COMMON | _OWN[task]
    frame_of(entries, task).astype(types).to_parquet(path, compression="zstd", index=False)


def frame_of(entries: Iterable[Mapping[str, Any]], task: str) -> pd.DataFrame:
    """Arrange predictions in Ultralytics' JSON format as a table, one row per prediction."""
    rows = [
        (entry["file_name"], entry["category_id"] - FIRST_CATEGORY, entry["score"], *_READ[task](entry))
        for entry in entries
    ]
    return pd.DataFrame(rows, columns=list(_COMMON | _OWN[task]))


def load_predictions(path: Path) -> pd.DataFrame:
    """Read stored predictions, one row per prediction.

    Raises:
        KdpipeError: if the file is empty or cut short.
    """
    try:
        return pd.read_parquet(path)
    except ValueError as error:
        raise damaged(path, error, REMEDY) from error
