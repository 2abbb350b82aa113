"""Estimate how long trainings take before the first of their kind has run."""

from __future__ import annotations

from kdpipe.cells.cell import Cell
from kdpipe.checks.trainings import images_in, images_of
from kdpipe.errors import KdpipeError
from kdpipe.models.entries import candidates
from kdpipe.models.start_weights import Source, all_sources, source_of
from kdpipe.params.arguments import AUTO, whole_number
from kdpipe.params.schema import Params

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
            train += images * FORWARD * max(_seconds(teacher) for teacher in teachers)
    except (KdpipeError, RuntimeError, KeyError):  # such as a backbone, or too little memory
        return None
    validated = images_in(params, "val") or 0
    return whole_number(source.arguments, "epochs") * (train + validated * FORWARD * own)


def _seconds(source: Source) -> float:
    from kdpipe.yolo.device import device
    from kdpipe.yolo.step_time import seconds_per_image

    arguments = source.arguments
    where = device(arguments.get("device", AUTO)).split(",")[0]
    return seconds_per_image(source.architecture, source.imgsz, whole_number(arguments, "batch"), where)
