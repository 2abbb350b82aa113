"""AP and error types of stored predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hotcoco import COCOeval
from numpy.typing import NDArray

from kdpipe.evaluation.predictions import BOX
from kdpipe.evaluation.resampling import deviations, half_samples
from kdpipe.evaluation.truth import Truth

OVERALL = ("AP", "AP50", "AP75", "APs", "APm", "APl")
# TIDE's error types (D. Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection
# Errors", ECCV 2020) under the names that the table writes.
ERRORS = {
    "Cls": "classification",
    "Loc": "localisation",
    "Both": "both",
    "Dupe": "duplicate",
    "Bkg": "background",
    "Miss": "missed",
}
NOT_COMPUTED = -1.0  # as COCO writes the AP of classes and sizes that have no object
MAX_DETECTIONS = 100  # per image, as in COCO's AP


def evaluate(
    truth: Truth, predictions: pd.DataFrame, resamples: int, seed: int
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Evaluate predictions of one checkpoint, split and head.

    Returns:
        Metrics: `coco/AP`, `coco/AP50`, `coco/AP75`, by object size `coco/APs`, `coco/APm`,
        `coco/APl`, per class `coco/class/NAME` (all as shares of 1; those without objects are left
        out); `error/TYPE`, the AP50 that would be won if there were no errors of this type.
        Deviations of `coco/AP` over the half samples of the images, see `kdpipe.evaluation.resampling`.
    """
    found = truth.coco.load_res(_array(truth, predictions))
    evaluator = COCOeval(truth.coco, found, "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    everything = evaluator.slice_by({})["_overall"]
    metrics = {f"coco/{name}": everything[name] for name in OVERALL}
    metrics |= {f"coco/class/{name}": ap for name, ap in _per_class(evaluator, truth.names).items()}
    errors = evaluator.tide_errors()["delta_ap"]
    metrics |= {f"error/{word}": errors[short] for short, word in ERRORS.items()}
    kept = {name: round(float(value), 6) for name, value in metrics.items() if value != NOT_COMPUTED}
    return kept, _deviations(truth, evaluator, resamples, seed)


def _array(truth: Truth, predictions: pd.DataFrame) -> NDArray[np.float64]:
    """Image id, box, score and class id of each prediction, in the columns that hotcoco reads."""
    images = predictions["image"].astype(str).map(truth.image_ids)
    columns = [images, *(predictions[name] for name in BOX), predictions["score"]]
    return np.column_stack([*columns, predictions["class_id"] + 1]).astype(float)


def _per_class(evaluator: COCOeval, names: list[str]) -> dict[str, float]:
    """COCO's AP of each class: the mean of its precision over IoU and recall thresholds."""
    assert evaluator.eval is not None
    precision = evaluator.eval["precision"][:, :, :, 0, -1]  # IoU, recall, class; all sizes
    return {name: float(precision[:, :, index].mean()) for index, name in enumerate(names)}


def _deviations(truth: Truth, full: COCOeval, count: int, seed: int) -> NDArray[np.float64]:
    """The AP of each half sample; sizes and lower detection limits are not evaluated again."""
    evaluator = COCOeval(full.coco_gt, full.coco_dt, "bbox")
    evaluator.params.max_dets = [MAX_DETECTIONS]
    evaluator.params.area_rng, evaluator.params.area_rng_lbl = [[0.0, 1e10]], ["all"]
    evaluator.evaluate()
    samples = half_samples(list(truth.image_ids.values()), count, seed)
    found = evaluator.slice_by(samples)
    values = np.array([found[name]["AP"] for name in samples])  # by name: their order is not kept
    values[values == NOT_COMPUTED] = np.nan
    return deviations(values, images=len(truth.image_ids))
