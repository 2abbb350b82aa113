"""Validate the checkpoint of one cell, once per head that its model has."""

from __future__ import annotations

from kdpipe import zoo
from kdpipe.cells import BEST_FILE, DATASET_DIR, Cell
from kdpipe.config import Params
from kdpipe.records import load_record, save_metrics
from kdpipe.validation import LOG_FILE, validate


def validate_cell(params: Params, cell: Cell) -> dict[str, dict[str, float]]:
    """Write metrics.json of a cell, and return the metrics per head.

    Raises:
        KdpipeError: if a head was not used that was asked for.
    """
    record = load_record(cell.train_dir)
    cell.val_dir.mkdir(parents=True, exist_ok=True)
    heads = {
        head: validate(
            cell.train_dir / BEST_FILE,
            DATASET_DIR / "data.yaml",
            head,
            params.validate,
            imgsz=int(record.arguments.get("imgsz", zoo.DEFAULT_IMGSZ)),
            device=params.train.get("device"),
            log=cell.val_dir / LOG_FILE,
        )
        for head in zoo.parse(record.identity.model).heads
    }
    save_metrics(cell.val_dir, {params.validate.split: heads})
    return heads
