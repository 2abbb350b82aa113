"""Convert stored predictions to the input of hotcoco."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hotcoco import COCO

from kdpipe.evaluation.predictions import BOX, KEYPOINTS, MASK, ROTATED_BOX
from kdpipe.evaluation.truth import Truth

Segmentation = dict[str, Any] | list[list[float]]


def load_detections(truth: Truth, predictions: pd.DataFrame) -> COCO:
    """Predictions for the images of a split, as hotcoco detections."""
    images = predictions["image"].astype(str)
    ids, classes = images.map(truth.image_ids), predictions["class_id"] + 1
    if truth.task in ("detect", "segment"):
        columns = [ids, *(predictions[name] for name in BOX), predictions["score"], classes]
        masks = _masks(images, predictions, truth) if truth.task == "segment" else None
        return truth.coco.load_res(np.column_stack(columns).astype(float), segmentation=masks)
    fields = pd.DataFrame({"image_id": ids, "category_id": classes, "score": predictions["score"]})
    own = {"obb": _lists(predictions, ROTATED_BOX)} if truth.task == "obb" else _poses(predictions)
    found: list[dict[str, Any]] = fields.assign(**own).to_dict("records")  # type: ignore[assignment]
    return truth.coco.load_res(found)


def _masks(images: pd.Series[str], predictions: pd.DataFrame, truth: Truth) -> list[Segmentation]:
    sizes = images.map(truth.sizes)
    return [
        {"size": [height, width], "counts": counts}
        for (width, height), counts in zip(sizes, predictions[MASK], strict=True)
    ]


def _poses(predictions: pd.DataFrame) -> dict[str, list[Any]]:
    return {
        "bbox": _lists(predictions, BOX),
        KEYPOINTS: [list(map(float, k)) for k in predictions[KEYPOINTS]],
    }


def _lists(predictions: pd.DataFrame, columns: list[str]) -> list[list[float]]:
    found: list[list[float]] = predictions[columns].to_numpy(float).tolist()
    return found
