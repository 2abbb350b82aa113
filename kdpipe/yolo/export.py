"""Export of a checkpoint with one head, by Ultralytics."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kdpipe.errors import KdpipeError
from kdpipe.models.formats import Format
from kdpipe.params.arguments import device_names
from kdpipe.paths import state_dir
from kdpipe.yolo.device import device as device_of
from kdpipe.yolo.log import log_to
from kdpipe.yolo.validation import opened

PART = "part-"  # beginning of the names of temporary folders, which a killed process leaves


def log_file() -> Path:
    """The log of all exports, which is no output of a stage."""
    return state_dir() / "export.log"


@dataclass(frozen=True)
class Settings:
    """What exported files have in common.

    `data` is the data yaml, `calibrate` the split whose images INT8 is calibrated on, `fraction` their share.
    """

    imgsz: int
    max_det: int
    device: object
    data: Path
    calibrate: str
    fraction: float


def runs_on(wanted: Format, device: object) -> str:
    """Where files of a format are made and run: on the first device of the trainings, or on the CPU."""
    return device_of(device_names(device)[0]) if wanted.gpu else "cpu"


def export(weights: Path, wanted: Format, head: str, settings: Settings, *, note: str, folder: Path) -> Path:
    """Export a checkpoint, and write the file into a folder that does not exist yet.

    The head is a part of the file: end to end, or the raw output of the classical head, to which whoever runs
    it applies NMS.

    Args:
        weights: The checkpoint.
        wanted: Format and precision.
        head: `e2e` or `nms`.
        settings: What all files have in common.
        note: Where the model comes from; it becomes a part of the description in the metadata.
        folder: The folder to write to, as a whole or not at all.

    Returns:
        The file, or the folder of formats that have several.

    Raises:
        KdpipeError: if Ultralytics cannot export it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = log_file()
    with TemporaryDirectory(dir=folder.parent, prefix=PART) as temporary:
        copy = Path(temporary) / weights.name  # Ultralytics writes beside the checkpoint
        shutil.copyfile(weights, copy)
        model = opened(copy)
        model.model.args = {**getattr(model.model, "args", {}), "data": note}
        try:
            with log_to(log), _quiet(wanted):
                written = model.export(**_arguments(wanted, head, settings))
        except OSError:
            raise
        except Exception as error:  # every exporter raises what its libraries raise
            raise KdpipeError(f"{weights} cannot be exported to {wanted.name}: {error}; see {log}") from error
        made = Path(written)
        if made == copy or not made.exists():
            raise KdpipeError(f"{weights}: Ultralytics wrote no {wanted.name} file; see {log}")
        target = Path(temporary) / "exported"
        target.mkdir()
        made.rename(target / made.name)
        shutil.rmtree(folder, ignore_errors=True)
        target.rename(folder)
    return folder / made.name


@contextmanager
def _quiet(wanted: Format) -> Iterator[None]:
    """Keep off the screen what torch warns of, and what NNCF logs of every layer."""
    if "nncf" in wanted.packages:
        import nncf

        nncf.set_log_level(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _arguments(wanted: Format, head: str, settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {
        "format": wanted.argument,
        "imgsz": settings.imgsz,
        "max_det": settings.max_det,
        "device": runs_on(wanted, settings.device),
        # In Ultralytics, False keeps the end-to-end head, and None has the output of the other one as it is.
        "nms": False if head == "e2e" else None,
    }
    if wanted.quantize:
        found["quantize"] = wanted.quantize
    if wanted.calibrated:
        found |= {"data": str(settings.data.resolve()), "split": settings.calibrate}
        found["fraction"] = settings.fraction
    return found
