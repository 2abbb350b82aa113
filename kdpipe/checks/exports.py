"""Check what is to be exported: the formats, and whether what exports and runs them is installed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kdpipe.checks.prepared import prepared
from kdpipe.data import shipped
from kdpipe.data.prepare import EMBEDDED, open_source
from kdpipe.environment import versions_of
from kdpipe.errors import KdpipeError, ParamsError, did_you_mean
from kdpipe.models.entries import architecture
from kdpipe.models.formats import FORMATS, format_of
from kdpipe.params.schema import SPLITS, Data, Export, Params

CALIBRATION = SPLITS[:2]  # INT8 that has seen test images would be measured on what it has seen


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


def size_problems(params: Params) -> Iterator[ParamsError]:
    """Yield an error if the size of exported images is none of the models that are exported."""
    imgsz = params.export.imgsz
    if imgsz is None:
        return
    for name, model in (*params.students.items(), *params.teachers.items()):
        found = architecture(name, model)
        if not found.backbone and imgsz % found.stride:
            yield ParamsError("export.imgsz", f"{imgsz} is no multiple of {found.stride}, as {found} needs")
            return


def calibration_problems(params: Params, formats: Collection[str]) -> Iterator[ParamsError]:
    """Yield an error if INT8 would be calibrated on the images that measure it, as far as that is known.

    Args:
        params: All of params.yaml.
        formats: Names of formats to export to; what is no format is told by `export_problems`.
    """
    calibrated = [name for name in formats if name in FORMATS and FORMATS[name].calibrated]
    there = _splits(params.data) if calibrated else ()
    measured = [split for split in params.validate.splits if split in there][-1:]
    if calibrated and measured == [params.export.calibrate]:
        other = next(split for split in CALIBRATION if split not in measured)
        yield ParamsError(
            "export.calibrate",
            f"{params.export.calibrate}: {calibrated[0]} would be measured on the images that calibrate it; "
            f"write {other}, or measure on another split (the last one of validate.splits that the data has)",
        )


def _splits(data: Data) -> Collection[str]:
    """The splits that the data has; all if that is not known yet."""
    if manifest := prepared(data):
        return manifest.splits
    if data.source == EMBEDDED or shipped.find(data.source):
        return SPLITS
    try:
        return open_source(data).splits
    except KdpipeError:  # what is wrong with the data is told by its own check
        return SPLITS


def _gpu() -> bool:
    from kdpipe.yolo.device import gpus  # PyTorch takes seconds, and is needed for few formats

    return bool(gpus())
