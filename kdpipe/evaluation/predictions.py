"""The predictions of a checkpoint on one split with one head, as a Parquet file.

Columns: `image` (file name), `class_id`, `score`, and in pixels of the original image the box as `x`,
`y` (its upper left corner), `width` and `height`; for segment the mask as `counts` (COCO's compressed
run lengths), for pose `keypoints` (x, y, confidence in turns). A rotated box (obb) is `centre_x`,
`centre_y`, `width`, `height` and `angle` (radians, clockwise).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

BOX = ["x", "y", "width", "height"]
ROTATED_BOX = ["centre_x", "centre_y", "width", "height", "angle"]
KEYPOINTS, MASK = "keypoints", "counts"
FIRST_CATEGORY = 1  # from which Ultralytics counts classes in its JSON

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
    """The name of the file within a cell's validation folder."""
    return f"predictions-{split}-{head}.parquet"


def save_predictions(entries: Iterable[Mapping[str, Any]], task: str, path: Path) -> None:
    """Store what the validator of an Ultralytics task collects with `save_json`."""
    types = _COMMON | _OWN[task]
    rows = [
        (entry["file_name"], entry["category_id"] - FIRST_CATEGORY, entry["score"], *_READ[task](entry))
        for entry in entries
    ]
    pd.DataFrame(rows, columns=list(types)).astype(types).to_parquet(path, compression="zstd", index=False)


def load_predictions(path: Path) -> pd.DataFrame:
    """Read stored predictions."""
    return pd.read_parquet(path)
