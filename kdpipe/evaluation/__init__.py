"""Evaluate stored predictions: AP, error types and the spread over images, without torch and without a GPU.

AP is COCO's (T.-Y. Lin et al., "Microsoft COCO", 2014, and cocodataset.org, "Detection evaluation"), as in
published tables, computed by hotcoco.
"""

from kdpipe.evaluation.ap import evaluate, found_per_image
from kdpipe.evaluation.predictions import load_predictions, predictions_file, save_predictions
from kdpipe.evaluation.resampling import RESAMPLES_FILE, deviations_at, load_resamples, save_resamples
from kdpipe.evaluation.truth import Truth, load_truth

__all__ = [
    "RESAMPLES_FILE",
    "Truth",
    "deviations_at",
    "evaluate",
    "found_per_image",
    "load_predictions",
    "load_resamples",
    "load_truth",
    "predictions_file",
    "save_predictions",
    "save_resamples",
]
