"""Validate exported files as their checkpoints are, and measure how fast they are."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kdpipe.cells import recipe
from kdpipe.cells.cell import DATASET_DIR, EXPORTED_DIR, RESULTS_DIR, Cell
from kdpipe.cells.exported import (
    DONE_FILE,
    LATENCY,
    SIZE,
    SKIPPED_FILE,
    Exported,
    measured_as,
    read_export,
)
from kdpipe.cells.record import load_record, save_metrics
from kdpipe.console import console
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.errors import KdpipeError
from kdpipe.evaluation import predictions_file, save_predictions
from kdpipe.models.formats import format_of
from kdpipe.models.to_export import exports_of
from kdpipe.params.schema import Params
from kdpipe.yolo.export import runs_on
from kdpipe.yolo.exported import loaded, milliseconds, sample_images
from kdpipe.yolo.validation import LOG_FILE, exported_model, validate

DATA_YAML = DATASET_DIR / "data.yaml"


def validate_exported(params: Params, name: str) -> Iterator[Cell]:
    """Write metrics.json and the predictions of everything that was exported to a format.

    They are of the last split alone, on which the report compares. What is there already, of the same files
    and settings, stays.

    Args:
        params: All of params.yaml.
        name: The format.

    Yields:
        Each training, with the folders of its exported files' results, to be evaluated.

    Raises:
        KdpipeError: if a file has another head than the one that is validated, or not all images were used.
    """
    folder, skipped = RESULTS_DIR / name, EXPORTED_DIR / name / SKIPPED_FILE
    folder.mkdir(parents=True, exist_ok=True)
    if skipped.exists():
        shutil.rmtree(folder)
        folder.mkdir()
        shutil.copyfile(skipped, folder / SKIPPED_FILE)
        return
    (folder / SKIPPED_FILE).unlink(missing_ok=True)
    splits = measured_splits(params, load_manifest(DATASET_DIR))
    by_cell: dict[Cell, list[Exported]] = defaultdict(list)
    for one in exports_of(params, splits[0], format_of(name)):
        by_cell[one.cell].append(one)
    _remove_others(folder, {cell.id for cell in by_cell})
    for number, (cell, exports) in enumerate(by_cell.items(), start=1):
        measured = measured_as(cell, name)
        done = measured.val_dir.parent / DONE_FILE
        wanted = _settings(params, cell, exports)
        if not done.exists() or done.read_text(encoding="utf-8") != wanted:
            console.print(f"{name} {number} of {len(by_cell)}: {cell.id}")
            _validate(params, measured, exports, splits[-1])
            done.write_text(wanted, encoding="utf-8")
        yield measured


def _validate(params: Params, measured: Cell, exports: list[Exported], split: str) -> None:
    """Write metrics.json and the predictions of the exported files of a training."""
    shutil.rmtree(measured.val_dir.parent, ignore_errors=True)
    measured.val_dir.mkdir(parents=True)
    record, images = load_record(measured.train_dir), load_manifest(DATASET_DIR).splits[split].images
    log = measured.val_dir / LOG_FILE
    metrics: dict[str, dict[str, float]] = {}
    for one in exports:
        export = read_export(one.folder)
        if export is None:
            raise KdpipeError(f"{one.cell.id} is not exported to {one.format} yet; run `dvc repro`")
        file, imgsz = one.folder / export["file"], int(export["made_of"]["imgsz"])
        place = runs_on(format_of(one.format), params.train.get("device"))
        values, predictions = validate(
            exported_model(file, record.identity.task),
            DATA_YAML,
            split,
            one.head,
            replace(params.validate, batch=1),
            images=images,
            imgsz=imgsz,
            device=place,
            log=log,
        )
        save_predictions(
            predictions, record.identity.task, measured.val_dir / predictions_file(split, one.head)
        )
        times = milliseconds(loaded(file, place, log), sample_images(DATA_YAML, imgsz)[0])
        metrics[one.head] = values | dict(zip(LATENCY, times, strict=True)) | {SIZE: float(export["bytes"])}
    save_metrics(measured.val_dir, {split: metrics})


def _settings(params: Params, cell: Cell, exports: list[Exported]) -> str:
    """Everything that can change the results of a training's exported files, as text."""
    content: dict[str, Any] = {"weights": load_record(cell.train_dir).weights_digest}
    content |= {"validate": asdict(params.validate), "recipe": recipe.installed()["VALIDATION"]}
    content |= {one.head: read_export(one.folder) for one in exports}
    return json.dumps(content, indent=2) + "\n"


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove the results of what is not exported any more."""
    for done in sorted(folder.rglob(DONE_FILE)):
        if str(done.parent.relative_to(folder)) not in kept:
            shutil.rmtree(done.parent)
