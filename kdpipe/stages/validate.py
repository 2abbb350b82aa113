"""Validate the checkpoint of a training, once per split and head."""

from __future__ import annotations

import shutil
from functools import partial
from typing import Any

from kdpipe.cells.cell import BEST_FILE, DATASET_DIR, Cell
from kdpipe.cells.record import ANEW_METRIC, Metrics, load_record, save_metrics
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.evaluation import predictions_file, save_predictions
from kdpipe.models import names as model_names
from kdpipe.params import arguments
from kdpipe.params.schema import Params
from kdpipe.yolo.batch_statistics import with_statistics_anew
from kdpipe.yolo.device import check_device
from kdpipe.yolo.validation import LOG_FILE, opened, validate

DATA_YAML = DATASET_DIR / "data.yaml"


def validate_cell(params: Params, cell: Cell) -> Metrics:
    """Write metrics.json and the predictions of a training.

    On the first split, the metrics of each head also have the mAP50-95 with BatchNorm statistics anew, if the
    checkpoint has BatchNorm layers.

    Returns:
        The metrics by split and head.

    Raises:
        KdpipeError: if the device is not there, or Ultralytics did not use the requested head, or not
            all images.
    """
    record = load_record(cell.train_dir)
    device = arguments.device_names(params.train.get("device"))[0]  # validation uses one device
    check_device({"device": device})
    shutil.rmtree(cell.val_dir, ignore_errors=True)
    cell.val_dir.mkdir(parents=True)
    manifest, heads = load_manifest(DATASET_DIR), model_names.read(record.identity.model).heads
    fixed: dict[str, Any] = {
        "imgsz": int(record.arguments.get("imgsz", model_names.DEFAULT_IMGSZ)),
        "device": device,
        "log": cell.val_dir / LOG_FILE,
    }
    measure = partial(validate, data=DATA_YAML, options=params.validate, **fixed)
    metrics: Metrics = {}
    splits = measured_splits(params, manifest)
    model = opened(cell.train_dir / BEST_FILE) if heads else None  # a backbone predicts nothing
    images = {split: manifest.splits[split].images for split in splits}
    for split in splits:
        metrics[split] = {}
        for head in heads:
            found, predictions = measure(given=model, split=split, head=head, images=images[split])
            metrics[split][head] = found
            save_predictions(predictions, record.identity.task, cell.val_dir / predictions_file(split, head))
    anew = with_statistics_anew(model, DATA_YAML, **fixed) if model else None
    first = splits[0]  # a test split may be many times larger
    for head in heads if anew else ():
        found, _ = measure(given=anew, split=first, head=head, images=images[first])
        metrics[first][head][ANEW_METRIC] = found["mAP50-95"]
    save_metrics(cell.val_dir, metrics)
    return metrics
