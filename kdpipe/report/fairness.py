"""Find differences between a distilled training and its baseline other than the teacher."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kdpipe.cells.record import DECISIVE_PACKAGES, Record
from kdpipe.params.arguments import as_it_is

DECISIVE = (*DECISIVE_PACKAGES, "device")


def unlike_pairs(records: Iterable[Record]) -> dict[str, str]:
    """Return how distilled trainings differ from their baselines, apart from the teacher, by training id.

    It compares the data, the start weights, the model yaml, the arguments that Ultralytics used in the end
    (it chooses the optimizer if that is `auto`), the epochs if a time limit set them, the versions of
    packages and of kdpipe's training code, and the device.
    """
    found = list(records)
    baselines = {(r.identity.student, r.identity.seed): r for r in found if r.identity.kind == "baseline"}
    reasons = {}
    for record in found:
        alone = baselines.get((record.identity.student, record.identity.seed))
        if record.identity.kind != "distill" or alone is None:
            continue
        mine, its = comparable(record), comparable(alone)
        differing = [
            f"{name} {mine.get(name)} instead of {its.get(name)}"
            for name in sorted(mine.keys() | its.keys())
            if mine.get(name) != its.get(name)
        ]
        if differing:
            reasons[record.identity.cell] = ", ".join(differing)
    return reasons


def comparable(record: Record) -> dict[str, Any]:
    """Return what can change a result, apart from teacher and seed, by name."""
    if as_it_is(record.arguments):  # how a finished checkpoint was trained is not compared
        return {"epochs": 0, "data": record.identity.data_digest}
    arguments = {name: value for name, value in record.arguments.items() if name != "dis"}
    versions = {name: record.environment.get(name) for name in DECISIVE}
    epochs = {"epochs trained": record.epochs} if arguments.get("time") else {}
    own = record.identity
    files = {"data": own.data_digest, "start weights": own.init_digest, "model yaml": own.model_digest}
    recipe = {"recipe": own.recipe or 1}  # records without a number are of the first recipe
    return {**recipe, **arguments, **versions, **epochs, **files}
