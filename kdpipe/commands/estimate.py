"""Estimate what a comparison takes and tells: the time of its trainings, and the gain that it can detect."""

from __future__ import annotations

from collections.abc import Iterator

from kdpipe.cells.cell import Cell
from kdpipe.checks.trainings import images_in, images_of
from kdpipe.errors import KdpipeError
from kdpipe.models.entries import at_once, candidates
from kdpipe.models.start_weights import Source, all_sources, source_of
from kdpipe.params.arguments import AUTO, whole_number
from kdpipe.params.schema import Params
from kdpipe.report.comparisons import DISTILLED_BASELINE
from kdpipe.report.gains import Gain
from kdpipe.report.planning import detectable, noise_of
from kdpipe.report.read import load_content

FORWARD = 1 / 3  # of a step


def estimated_seconds(params: Params, cell: Cell) -> float | None:
    """Return about how long a training takes by a timed step of its models; None if that cannot be said.

    Counted are the steps of the student (or teacher), the teacher's forward passes, and those of the
    validation after each epoch; not augmentation, loss and saving.
    """
    source = source_of(params, cell)
    if source.as_it_is:
        return 0.0
    images = images_of(source, params)
    if images is None:
        return None
    try:
        own = _seconds(source)
        train = images * own
        if cell.kind == "distill":
            of_teachers = {one.name: one for one in all_sources(params) if one.key.startswith("teachers.")}
            teachers = [of_teachers[name] for name in candidates(params, params.pairs[cell.name])]
            each = [_seconds(teacher) for teacher in teachers]
            train += images * FORWARD * (sum(each) if at_once(params.pairs[cell.name]) else max(each))
    except (KdpipeError, RuntimeError, KeyError, OSError):  # such as a backbone, or too little memory
        return None
    validated = images_in(params, "val") or 0
    return whole_number(source.arguments, "epochs") * (train + validated * FORWARD * own)


def detectable_gains(seeds: int) -> Iterator[str]:
    """Yield a sentence per pair of the last report: the gain that so many seeds detect, by its spread."""
    try:
        content = load_content()
    except KdpipeError:  # no report yet
        return
    gains = content.gains
    primary = set(gains.loc[gains["primary"], ["pair", "dis", "head"]].itertuples(index=False, name=None))
    for found in content.comparisons:
        where = (found["pair"], found["dis"], found["head"])
        if found["kind"] != DISTILLED_BASELINE or where not in primary or not found["gain"]:
            continue
        if "error" not in found:  # a report of before; the next one has it
            continue
        noise = noise_of(Gain(**found["gain"]))
        if noise is not None and seeds > 1:
            points = f"{100 * detectable(noise, seeds, found['error']):.1f} points ({where[2]} head)"
            yield f"{found['pair']}: {seeds} seeds detect a gain of about {points}"


def _seconds(source: Source) -> float:
    from kdpipe.yolo.device import device
    from kdpipe.yolo.step_time import seconds_per_image

    arguments = source.arguments
    places = device(arguments.get("device", AUTO)).split(",")
    batch = max(1, whole_number(arguments, "batch") // len(places))
    stride = source.architecture.stride
    imgsz = -(-source.imgsz // stride) * stride  # as Ultralytics rounds it
    return seconds_per_image(source.architecture, imgsz, batch, places[0]) / len(places)
