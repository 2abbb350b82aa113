"""Export the trainings that the report's answer compares to a format, with each of their heads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kdpipe.cells import recipe
from kdpipe.cells.cell import BEST_FILE, DATASET_DIR, EXPORTED_DIR
from kdpipe.cells.exported import EXPORT_FILE, SKIPPED_FILE, Exported, read_export
from kdpipe.cells.record import Record, load_record
from kdpipe.console import console
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.environment import training_versions, versions_of
from kdpipe.errors import KdpipeError
from kdpipe.models.formats import Format, format_of
from kdpipe.models.names import DEFAULT_IMGSZ
from kdpipe.models.to_export import exports_of
from kdpipe.params.schema import Params
from kdpipe.yolo.export import PART, Settings, export, log_file, runs_on
from kdpipe.yolo.exported import check_exported, sample_images

DATA_YAML = DATASET_DIR / "data.yaml"


def export_to(params: Params, name: str) -> list[Exported]:
    """Export to one format; a file that is there already, of the same checkpoint and settings, stays.

    Each folder has the file and export.json. A machine that cannot export to the format leaves a file that
    says why.

    Args:
        params: All of params.yaml.
        name: The format.

    Returns:
        What is exported.

    Raises:
        KdpipeError: if Ultralytics cannot export a checkpoint, or a file has the wrong head or computes
            something else than its checkpoint.
    """
    wanted, folder = format_of(name), EXPORTED_DIR / name
    folder.mkdir(parents=True, exist_ok=True)
    if reason := cannot_export(params, wanted):
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / SKIPPED_FILE).write_text(f"{reason}\n", encoding="utf-8")
        console.print(f"{name} is skipped: {reason}")
        return []
    (folder / SKIPPED_FILE).unlink(missing_ok=True)
    found = exports_of(params, measured_splits(params, load_manifest(DATASET_DIR))[0], wanted)
    _remove_others(folder, found)
    for number, one in enumerate(found, start=1):
        exported_file(params, one, f"{number} of {len(found)}: ")
    return found


def exported_file(params: Params, one: Exported, which: str = "") -> None:
    """Export a checkpoint, unless its file is there already.

    Args:
        params: All of params.yaml.
        one: Training, format and head.
        which: The number that is printed with it.

    Raises:
        KdpipeError: if this machine or Ultralytics cannot export it, or the file is not what it should be.
    """
    wanted, record = format_of(one.format), load_record(one.cell.train_dir)
    if reason := cannot_export(params, wanted):
        raise KdpipeError(f"{one.format}: {reason}")
    made_of = _made_of(params, record, one, wanted)
    if (there := read_export(one.folder)) and there["made_of"] == made_of:
        return
    console.print(f"{one.format} {which}{one.cell.id} {one.head}")
    _export(params, record, one, wanted, made_of)


def cannot_export(params: Params, wanted: Format) -> str:
    """Why it cannot be exported to a format here; an empty text if it can."""
    here = runs_on(wanted, params.train.get("device"))
    return (
        f"it needs an NVIDIA GPU, and train.device is {here} here"
        if wanted.gpu and not here[0].isdigit()
        else ""
    )


def _export(params: Params, record: Record, one: Exported, wanted: Format, made_of: dict[str, Any]) -> None:
    """Export, check the file, and write its record last."""
    weights, imgsz = one.cell.train_dir / BEST_FILE, made_of["imgsz"]
    settings = Settings(
        imgsz=imgsz,
        max_det=params.validate.max_det,
        device=params.train.get("device"),
        data=DATA_YAML,
        calibrate=params.export.calibrate,
        fraction=params.export.fraction,
    )
    note = f"{record.identity.data} by kdpipe, {record.fingerprint}"
    file = export(weights, wanted, one.head, settings, note=note, folder=one.folder)
    difference = check_exported(
        file,
        weights,
        one.head,
        wanted.computes,
        sample_images(DATA_YAML, imgsz),
        device=runs_on(wanted, settings.device),
        log=log_file(),
    )
    content = {"file": file.name, "bytes": size_of(file), "difference": asdict(difference)}
    text = json.dumps({**content, "made_of": made_of}, indent=2)
    (one.folder / EXPORT_FILE).write_text(text + "\n", encoding="utf-8")


def _made_of(params: Params, record: Record, one: Exported, wanted: Format) -> dict[str, Any]:
    """Everything that can change an exported file."""
    chosen = params.export
    calibration = {"split": chosen.calibrate, "fraction": chosen.fraction}
    return {
        "cell": one.cell.id,
        "fingerprint": record.fingerprint,
        "weights": record.weights_digest,
        "format": wanted.name,
        "head": one.head,
        "imgsz": chosen.imgsz or int(record.arguments.get("imgsz", DEFAULT_IMGSZ)),
        "max_det": params.validate.max_det,
        "data": load_manifest(DATASET_DIR).digest,
        "calibration": calibration if wanted.calibrated else None,
        "recipe": recipe.installed()["EXPORT"],
        "versions": {**training_versions(), **versions_of(wanted.packages)},
    }


def _remove_others(folder: Path, found: Sequence[Exported]) -> None:
    """Remove what is not exported any more, and what a killed export has left."""
    for path in sorted(folder.rglob(f"{PART}*")):
        shutil.rmtree(path, ignore_errors=True)
    kept = {one.folder for one in found}
    for path in sorted(folder.rglob(EXPORT_FILE)):
        if path.parent not in kept:
            shutil.rmtree(path.parent)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files: Iterator[Path] = path.rglob("*") if path.is_dir() else iter([path])
    return sum(file.stat().st_size for file in files if file.is_file())
