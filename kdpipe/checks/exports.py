"""Check what is to be exported: the formats, and whether what exports and runs them is installed."""

from __future__ import annotations

from collections.abc import Iterator

from kdpipe.environment import versions_of
from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.models.formats import FORMATS, format_of
from kdpipe.params.schema import SPLITS, Export

CALIBRATION = SPLITS[:2]  # INT8 that has seen test images would be measured on what it has seen
STRIDE = 32


def export_problems(export: Export) -> Iterator[ParamsError]:
    """Yield what is wrong with `export`."""
    key = "export.formats"
    for name in export.formats:
        if name not in FORMATS:
            yield ParamsError(key, f"{name!r} is no format; {did_you_mean(name, FORMATS)}")
            continue
        wanted = format_of(name)
        missing = [package for package in wanted.packages if package not in versions_of(wanted.packages)]
        if missing and (not wanted.gpu or _gpu()):  # without a GPU, those are skipped with a word
            remedy = f"run `pip install {' '.join(missing)}`, or remove it"
            yield ParamsError(key, f"{name} needs {' and '.join(missing)}; {remedy}")
    if len(set(export.formats)) < len(export.formats):
        yield ParamsError(key, f"{export.formats} names a format twice")
    if export.calibrate not in CALIBRATION:
        hint = "write train, as test images must not be seen before they measure"
        yield ParamsError("export.calibrate", f"{export.calibrate!r}: {hint}")
    if export.imgsz is not None and export.imgsz % STRIDE:
        yield ParamsError("export.imgsz", f"{export.imgsz} is no multiple of {STRIDE}")


def _gpu() -> bool:
    from kdpipe.yolo.device import gpus  # PyTorch takes seconds, and is needed for few formats

    return bool(gpus())
