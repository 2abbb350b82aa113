"""AP and error types of stored predictions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from hotcoco import COCO, COCOeval
from numpy.typing import NDArray

from kdpipe.evaluation.detections import load_detections
from kdpipe.evaluation.resampling import deviations, half_samples
from kdpipe.evaluation.truth import Truth
from kdpipe.models.tasks import BOX as OF_BOXES
from kdpipe.models.tasks import TASKS

OVERALL = ("AP", "AP50", "AP75", "APs", "APm", "APl")
RESAMPLED = OVERALL[:3]  # those whose uncertainty is measured
# TIDE's error types (D. Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection
# Errors", ECCV 2020) -> their names in the tables.
ERRORS = {
    "Cls": "classification",
    "Loc": "localisation",
    "Both": "both",
    "Dupe": "duplicate",
    "Bkg": "background",
    "Miss": "missed",
}
NOT_COMPUTED = -1.0  # COCO's AP of classes and sizes without objects


def evaluate(
    truth: Truth, predictions: pd.DataFrame, resamples: int, seed: int
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Evaluate the predictions of one checkpoint, split and head.

    Predictions are matched by the task's own geometry: boxes, masks, keypoints or rotated boxes. Rotated
    boxes are not part of COCO's evaluation; its rules are applied to their overlap. COCO counts 100
    predictions of a class in an image, 20 for keypoints; if an image has more objects, all predictions count.

    Args:
        truth: Labels of the split.
        predictions: One row per prediction, as from `load_predictions`.
        resamples: Number of half samples of the images.
        seed: Random seed of the half samples.

    Returns:
        Metrics, as shares of 1: `coco/AP`, `coco/AP50`, `coco/AP75`; by object size `coco/APs`, `coco/APm`,
        `coco/APl`; per class `coco/class/NAME`; for segment and pose also `coco/box/AP`, `coco/box/AP50`,
        `coco/box/AP75`; and `error/TYPE`, the AP50 that would be gained without errors of this type. Classes
        and sizes without objects are excluded. Deviations of `AP`, `AP50` and `AP75` over the half samples,
        by name, (resamples,) each, or (0,) if AP is not defined; see `kdpipe.evaluation.resampling`.
    """
    found = load_detections(truth, predictions)
    evaluator = _evaluator(truth, found)
    evaluator.evaluate()
    evaluator.accumulate()
    everything = evaluator.slice_by({})["_overall"]
    metrics = {f"coco/{name}": everything[name] for name in OVERALL if name in everything}
    metrics |= {f"coco/class/{name}": ap for name, ap in _per_class(evaluator, truth.names).items()}
    if TASKS[truth.task].has_boxes_too:
        metrics |= {f"coco/{OF_BOXES}{name}": value for name, value in _of_boxes(truth, found).items()}
    errors = evaluator.tide_errors()["delta_ap"]
    metrics |= {f"error/{word}": errors[short] for short, word in ERRORS.items()}
    kept = {name: round(float(value), 6) for name, value in metrics.items() if value != NOT_COMPUTED}
    return kept, _deviations(truth, found, resamples, seed)


def found_per_image(truth: Truth, predictions: pd.DataFrame) -> dict[str, float]:
    """F1 of each image, by file name, at an IoU of 0.5 of boxes, masks, keypoints or rotated boxes.

    An image without objects and without predictions counts as 1.
    """
    evaluator = _evaluator(truth, load_detections(truth, predictions))
    evaluator.evaluate()
    summary = evaluator.image_diagnostics(iou_thr=0.5, score_thr=0.0)["img_summary"]
    nothing = {"f1": 1.0}
    return {name: float(summary.get(number, nothing)["f1"]) for name, number in truth.image_ids.items()}


def _evaluator(truth: Truth, found: COCO) -> COCOeval:
    evaluator = COCOeval(truth.coco, found, TASKS[truth.task].iou_type)
    if truth.sigmas is not None:
        evaluator.params.kpt_oks_sigmas = truth.sigmas
    _count_all(evaluator, truth, found)
    return evaluator


def _count_all(evaluator: COCOeval, truth: Truth, found: COCO) -> None:
    """Count all predictions if an image has more objects of a class than COCO counts predictions.

    How many predictions there are was limited by `validate.max_det`.
    """
    task, kinds = TASKS[truth.task], evaluator.params.max_dets
    if task.counts_all(annotated=truth.annotated) and _most(truth.coco) > task.counted:
        evaluator.params.max_dets = [*kinds[:-1], max(kinds[-1], _most(found))]


def _most(objects: COCO) -> int:
    """Highest number of objects of one class in one image."""
    found = objects.load_anns(objects.get_ann_ids())
    counts = Counter((one["image_id"], one["category_id"]) for one in found)
    return max(counts.values(), default=0)


def _per_class(evaluator: COCOeval, names: list[str]) -> dict[str, float]:
    """COCO's AP of each class: mean precision over IoU and recall thresholds."""
    assert evaluator.eval is not None
    precision = evaluator.eval["precision"][:, :, :, 0, -1]  # (IoU, recall, class), all sizes
    return {name: float(precision[:, :, index].mean()) for index, name in enumerate(names)}


def _of_boxes(truth: Truth, found: COCO) -> dict[str, float]:
    """AP of the boxes for segment and pose; not by size, which would use the area of masks or keypoints."""
    evaluator = COCOeval(truth.coco, found, "bbox")
    _count_all(evaluator, truth, found)
    evaluator.evaluate()
    evaluator.accumulate()
    everything = evaluator.slice_by({})["_overall"]
    return {name: everything[name] for name in RESAMPLED}


def _deviations(truth: Truth, found: COCO, count: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Deviations of the half samples by metric, (count,) each, for all sizes and the highest max_dets."""
    evaluator = _evaluator(truth, found)
    evaluator.params.max_dets = evaluator.params.max_dets[-1:]
    evaluator.params.area_rng, evaluator.params.area_rng_lbl = [[0.0, 1e10]], ["all"]
    evaluator.evaluate()
    samples = half_samples(list(truth.image_ids.values()), count, seed)
    by_name = evaluator.slice_by(samples)
    found_by_metric = {}
    for metric in RESAMPLED:
        values = np.array([by_name[name][metric] for name in samples])  # slice_by does not keep the order
        values[values == NOT_COMPUTED] = np.nan
        found_by_metric[metric] = deviations(values, images=len(truth.image_ids))
    return found_by_metric
