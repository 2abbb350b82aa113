"""Evaluate the stored predictions of a training."""

from __future__ import annotations

import shutil

import numpy as np
from numpy.typing import NDArray

from kdpipe.cells.cell import DATASET_DIR, Cell
from kdpipe.cells.record import Metrics, load_metrics, save_metrics
from kdpipe.evaluation import (
    RESAMPLES_FILE,
    evaluate,
    load_predictions,
    load_truth,
    predictions_file,
    save_resamples,
)
from kdpipe.params.schema import Params


def evaluate_cell(params: Params, cell: Cell) -> Metrics:
    """Write COCO AP, error types, and the half samples that comparisons use, of a training.

    Returns:
        The metrics by split and head.
    """
    shutil.rmtree(cell.eval_dir, ignore_errors=True)
    cell.eval_dir.mkdir(parents=True)
    metrics: Metrics = {}
    samples: dict[str, NDArray[np.float64]] = {}
    for split, heads in load_metrics(cell.val_dir).items():
        truth = load_truth(DATASET_DIR, split)
        metrics[split] = {}
        for head in heads:
            predictions = load_predictions(cell.val_dir / predictions_file(split, head))
            settings = params.evaluate
            metrics[split][head], deviations = evaluate(truth, predictions, settings.resamples, settings.seed)
            samples |= {f"{split}/{head}/{metric}": values for metric, values in deviations.items()}
    save_resamples(samples, cell.eval_dir / RESAMPLES_FILE)
    save_metrics(cell.eval_dir, metrics)
    return metrics
