"""Checks of checkpoints against params.yaml and the data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kdpipe.cells.cell import all_cells
from kdpipe.cells.record import RECORD_FILE, load_record
from kdpipe.checks.inspection import inspected
from kdpipe.checks.prepared import prepared
from kdpipe.data.prepare import Header, header
from kdpipe.errors import KdpipeError, ParamsError, counted
from kdpipe.models.entries import architecture, candidates
from kdpipe.models.start_weights import Source, all_sources, source_of
from kdpipe.models.weights import Weights
from kdpipe.params.schema import Params

FEW = 3  # class names that are listed in a message


def inspect_all(params: Params) -> tuple[list[KdpipeError], list[str]]:
    """Check every checkpoint on this machine against its use in params.yaml.

    Returns:
        Errors.
        Warnings, one sentence each, for the terminal and the report.
    """
    problems: list[KdpipeError] = []
    warnings = list(_image_sizes(params))
    for source in all_sources(params):
        path = source.path
        if path and source.selected is None and path.is_file():
            try:
                warnings += check_use(params, source, path)
            except KdpipeError as error:
                problems.append(error)
    return problems, list(dict.fromkeys(warnings))


def check_use(params: Params, source: Source, path: Path) -> list[str]:
    """Check a checkpoint against its use in params.yaml.

    Args:
        params: All of params.yaml.
        source: Entry that uses the checkpoint.
        path: The checkpoint.

    Returns:
        Warnings.

    Raises:
        ParamsError: if the checkpoint cannot be used this way.
    """
    weights, data = inspected(source, path), header(params.data)
    if weights.quantized:
        raise ParamsError(source.key, f"{path} was trained with quantization; take one in floating point")
    if weights.channels != data.channels:
        raise ParamsError(
            source.key,
            f"{path} takes images of {counted(weights.channels, 'channel')}, the data has {data.channels}; "
            "set channels in the data yaml, or take another checkpoint",
        )
    if source.architecture.backbone:
        return []
    if source.as_it_is:
        _check_classes(source.key, path, weights.names, data.names)
    manifest = prepared(params.data)
    digest = manifest.digest if manifest else None
    found = _suspicions(source, path, weights, data, digest)
    return [f"{source.key}: {path.name} {sentence}" for sentence in found]


def _check_classes(key: str, path: Path, found: list[str], names: list[str]) -> None:
    if found == names:
        return
    remedy = "train it on this data: set epochs above 0"
    if sorted(found) == sorted(names):
        raise ParamsError(
            key,
            f"{path} knows the classes in another order ({_few(found)}) than the data ({_few(names)}); "
            f"{remedy}",
        )
    raise ParamsError(
        key,
        f"{path} knows {counted(len(found), 'class', 'classes')} ({_few(found)}), "
        f"the data has {len(names)} ({_few(names)}); {remedy}",
    )


def _suspicions(
    source: Source, path: Path, weights: Weights, data: Header, digest: str | None
) -> Iterator[str]:
    if weights.unfinished:
        yield "holds a training that was not finished; take the best.pt of a finished one"
    if not source.as_it_is:
        return
    if weights.imgsz and weights.imgsz != source.imgsz:
        yield f"was trained with imgsz {weights.imgsz}, and is used with {source.imgsz}"
    trained_on = _trained_on(path)
    if trained_on and digest and trained_on != digest:
        yield "was trained on other data than this"
    elif not trained_on and Path(weights.data or "").stem != data.name:
        named = weights.data or "data that it does not name"
        yield f"was trained on {named}; whether that is this data is not known"


def _trained_on(path: Path) -> str | None:
    """Digest of the data that a checkpoint was trained on, if a record of kdpipe is in its folder."""
    if not (path.parent / RECORD_FILE).is_file():
        return None
    return load_record(path.parent).identity.data_digest


def _image_sizes(params: Params) -> Iterator[str]:
    sizes = {(cell.kind, cell.name): source_of(params, cell).imgsz for cell in all_cells(params)}
    for name, pair in params.pairs.items():
        used = pair.teacher_imgsz or sizes["baseline", pair.student]
        for teacher in candidates(params, pair):
            of_any_size = architecture(teacher, params.teachers[teacher]).backbone
            if not of_any_size and sizes["teacher", teacher] != used:
                yield (
                    f"pairs.{name}: the teacher {teacher} is trained with imgsz {sizes['teacher', teacher]}, "
                    f"and sees the images of {pair.student} at {used}"
                )


def _few(names: list[str]) -> str:
    return ", ".join([*names[:FEW], *(["..."] if names[FEW:] else [])])
