"""Trained cells as they lie on disk: what their runs are made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdpipe.cells import Cell
from kdpipe.config import PARAMS_FILE
from kdpipe.evaluation import RESAMPLES_FILE, load_resamples
from kdpipe.history import HISTORY_FILE, read_history
from kdpipe.records import METRICS_FILE, RECORD_FILE, Metrics, Record, load_metrics, load_record

ARTIFACTS = (RECORD_FILE, PARAMS_FILE, HISTORY_FILE, "train.log")


@dataclass(frozen=True)
class Finished:
    """A trained cell, with its metrics per split and head as far as it was validated and evaluated, and
    its half samples by `split/head`; `folder` is where its training wrote.
    """

    cell: Cell
    folder: Path
    record: Record
    history: list[dict[str, float]]
    metrics: Metrics
    resamples: dict[str, NDArray[np.float64]]

    @property
    def final_metrics(self) -> dict[str, float]:
        """The metrics by their names in MLflow, such as `val/e2e/mAP50-95`."""
        return {
            f"{split}/{head}/{name}": value
            for split, heads in self.metrics.items()
            for head, values in heads.items()
            for name, value in values.items()
        }

    @property
    def digest(self) -> str:
        """Changes with anything that the run must show."""
        content = json.dumps([asdict(self.record), self.history, self.metrics], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def finished_cells(cells: Iterable[Cell], root: Path = Path()) -> list[Finished]:
    """Those of the cells whose training is done, in the repository at `root`."""
    return [_read(cell, root) for cell in cells if (root / cell.train_dir / RECORD_FILE).exists()]


def _read(cell: Cell, root: Path) -> Finished:
    metrics: Metrics = {}
    for folder in (root / cell.val_dir, root / cell.eval_dir):
        found = load_metrics(folder) if (folder / METRICS_FILE).exists() else {}
        for split, heads in found.items():
            for head, values in heads.items():
                metrics.setdefault(split, {}).setdefault(head, {}).update(values)
    resamples = root / cell.eval_dir / RESAMPLES_FILE
    return Finished(
        cell=cell,
        folder=root / cell.train_dir,
        record=load_record(root / cell.train_dir),
        history=read_history(root / cell.train_dir / HISTORY_FILE),
        metrics=metrics,
        resamples=load_resamples(resamples) if resamples.exists() else {},
    )
