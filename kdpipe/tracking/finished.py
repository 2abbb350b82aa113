"""Read finished trainings from disk; their MLflow runs are made from this."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdpipe.cells.cell import RESULTS_DIR, Cell
from kdpipe.cells.exported import LATENCY, SIZE, is_of, measured_as
from kdpipe.cells.history import HISTORY_FILE, read_history, read_rows
from kdpipe.cells.record import (
    CLASS,
    COCO_CLASS,
    METRICS_FILE,
    RECORD_FILE,
    Metrics,
    Record,
    load_metrics,
    load_record,
)
from kdpipe.evaluation import RESAMPLES_FILE, deviations_at, load_resamples
from kdpipe.params.schema import PARAMS_FILE
from kdpipe.tracking.parents import State, state_of
from kdpipe.tracking.system_metrics import SYSTEM_FILE

# Only those by which runs are compared: all of them are the artifact metrics.json.
LOGGED = ("mAP50-95", "coco/AP", "coco/AP50", "coco/AP75", "ms/inference", LATENCY[1], SIZE)
KEPT = (RECORD_FILE, PARAMS_FILE, HISTORY_FILE, SYSTEM_FILE, "train.log")


@dataclass(frozen=True)
class FinishedCell:
    """A finished training in the repository at `root`; each file is read once, when it is needed."""

    cell: Cell
    root: Path

    @cached_property
    def folder(self) -> Path:
        """The folder with the outputs of the training."""
        return self.root / self.cell.train_dir

    def read_ahead(self) -> None:
        """Read the files that a report needs, so that the operating system has them in its cache."""
        resamples = self.root / self.cell.eval_dir / RESAMPLES_FILE
        for path in (self.folder / RECORD_FILE, *self.metrics_files, resamples):
            with suppress(FileNotFoundError):
                path.read_bytes()

    @property
    def evaluated(self) -> bool:
        """Whether the training is validated and evaluated too."""
        return (self.root / self.cell.eval_dir / RESAMPLES_FILE).exists()

    @cached_property
    def record(self) -> Record:
        """What was trained, and with which result."""
        return load_record(self.folder)

    @cached_property
    def state(self) -> State:
        """The state of the pipeline (commit and params.yaml) at the time of the training."""
        return state_of(self.folder / PARAMS_FILE, self.record.environment["git_commit"])

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """Losses and metrics, one row per epoch."""
        return read_history(self.folder / HISTORY_FILE)

    @cached_property
    def system(self) -> list[dict[str, float]]:
        """Samples of CPU, memory and GPU use."""
        return read_rows(self.folder / SYSTEM_FILE)

    @cached_property
    def metrics(self) -> Metrics:
        """Metrics by split and head, as far as validation and evaluation have run."""
        metrics: Metrics = {}
        for path in filter(Path.exists, self.metrics_files):
            for split, heads in load_metrics(path.parent).items():
                for head, values in heads.items():
                    metrics.setdefault(split, {}).setdefault(head, {}).update(values)
        return metrics

    @property
    def overall_metrics(self) -> dict[str, float]:
        """The metrics that are logged, by their names in MLflow, such as `val/e2e/mAP50-95`.

        Those of exported files are such as `export/onnx/test/e2e/mAP50-95`.
        """
        found = dict(_logged(self.metrics))
        for exported in self.exports:
            prefix = f"export/{exported.cell.val_dir.relative_to(RESULTS_DIR).parts[0]}"
            found |= {f"{prefix}/{name}": value for name, value in _logged(exported.metrics)}
        return found

    @cached_property
    def exports(self) -> list[FinishedCell]:
        """The same training with the results of its exported files, one per format, if they are of it."""
        formats = sorted(path.name for path in (self.root / RESULTS_DIR).glob("*"))
        cells = (FinishedCell(measured_as(self.cell, name), self.root) for name in formats)
        digest = self.record.weights_digest
        return [one for one in cells if one.metrics_files[1].exists() and is_of(one.cell, digest, self.root)]

    def details(self, split: str, head: str) -> dict[str, float]:
        """Return all metrics but those of single classes."""
        values = self.metrics[split][head].items()
        return {name: value for name, value in values if not name.startswith((CLASS, COCO_CLASS))}

    def class_ap(self, split: str, head: str) -> dict[str, float]:
        """Return COCO AP of each class."""
        values = self.metrics[split][head].items()
        return {name.removeprefix(COCO_CLASS): value for name, value in values if name.startswith(COCO_CLASS)}

    def deviations(self, split: str, head: str, metric: str) -> NDArray[np.float64]:
        """Return the deviations of a metric over half samples of the images.

        Args:
            split: The split.
            head: "e2e" or "nms".
            metric: "AP", "AP50" or "AP75".

        Returns:
            Deviations, (samples,).
        """
        return deviations_at(self._resamples, f"{split}/{head}/{metric}")

    @property
    def digest(self) -> str:
        """Digest of everything that the run shows; other outputs of a training change with its record."""
        digest = hashlib.sha256()
        exported = [path for cell in self.exports for path in cell.metrics_files]
        for path in (self.folder / RECORD_FILE, *self.metrics_files, *exported):
            with suppress(FileNotFoundError):
                digest.update(path.read_bytes())
        return digest.hexdigest()[:32]

    @cached_property
    def _resamples(self) -> NDArray[np.void]:
        return load_resamples(self.root / self.cell.eval_dir / RESAMPLES_FILE)

    @property
    def metrics_files(self) -> list[Path]:
        """The files with the metrics of validation and evaluation."""
        return [self.root / folder / METRICS_FILE for folder in (self.cell.val_dir, self.cell.eval_dir)]


def _logged(metrics: Metrics) -> Iterator[tuple[str, float]]:
    """The metrics that are logged, with split and head before their names."""
    for split, heads in metrics.items():
        for head, values in heads.items():
            yield from ((f"{split}/{head}/{name}", values[name]) for name in LOGGED if name in values)


def finished_cells(cells: Iterable[Cell], root: Path = Path()) -> list[FinishedCell]:
    """Return those of the cells whose training is finished in the repository at `root`."""
    return [FinishedCell(cell, root) for cell in cells if (root / cell.train_dir / RECORD_FILE).exists()]
