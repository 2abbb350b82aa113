"""Validate the checkpoint of a training, once per split and head."""

from __future__ import annotations

import shutil

from kdpipe.cells.cell import BEST_FILE, DATASET_DIR, Cell
from kdpipe.cells.record import Metrics, load_record, save_metrics
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.evaluation import predictions_file, save_predictions
from kdpipe.models import names as model_names
from kdpipe.params import arguments
from kdpipe.params.schema import Params
from kdpipe.yolo.device import check_device
from kdpipe.yolo.validation import LOG_FILE, opened, validate


def validate_cell(params: Params, cell: Cell) -> Metrics:
    """Write metrics.json and the predictions of a training.

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
    metrics: Metrics = {}
    manifest, heads = load_manifest(DATASET_DIR), model_names.read(record.identity.model).heads
    model = opened(cell.train_dir / BEST_FILE) if heads else None  # a backbone predicts nothing
    for split in measured_splits(params, manifest):
        metrics[split] = {}
        for head in heads:
            metrics[split][head], predictions = validate(
                model,
                DATASET_DIR / "data.yaml",
                split,
                head,
                params.validate,
                images=manifest.splits[split].images,
                imgsz=int(record.arguments.get("imgsz", model_names.DEFAULT_IMGSZ)),
                device=device,
                log=cell.val_dir / LOG_FILE,
            )
            save_predictions(predictions, record.identity.task, cell.val_dir / predictions_file(split, head))
    save_metrics(cell.val_dir, metrics)
    return metrics
