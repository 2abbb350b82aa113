"""The predictions of a checkpoint on one split with one head, as a Parquet file.

Columns: `image` (file name), `class_id`, `score`, and the box as `x`, `y` (its upper left corner),
`width` and `height` in pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

BOX = ["x", "y", "width", "height"]
TYPES = {"image": "category", "class_id": "int32", "score": "float32", **dict.fromkeys(BOX, "float32")}
FIRST_CATEGORY = 1  # from which Ultralytics counts classes in its JSON


def predictions_file(split: str, head: str) -> str:
    """The name of the file within a cell's validation folder."""
    return f"predictions-{split}-{head}.parquet"


def save_predictions(entries: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Store what an Ultralytics validator collects with `save_json`."""
    rows = [
        (entry["file_name"], entry["category_id"] - FIRST_CATEGORY, entry["score"], *entry["bbox"])
        for entry in entries
    ]
    pd.DataFrame(rows, columns=list(TYPES)).astype(TYPES).to_parquet(path, compression="zstd", index=False)


def load_predictions(path: Path) -> pd.DataFrame:
    """Read stored predictions."""
    return pd.read_parquet(path)
