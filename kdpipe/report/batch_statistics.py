"""mAP50-95 of every checkpoint with the BatchNorm statistics that it stores, and with statistics anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from kdpipe.cells.record import ANEW_METRIC
from kdpipe.errors import counted
from kdpipe.models.names import HEADS
from kdpipe.report.formatting import HEAD_NAMES, gain_of, markdown, percent
from kdpipe.report.results import OWN_METRIC, Results

LEAST = 0.02  # of mAP50-95; healthy checkpoints of short trainings differ by up to 1.2 points
STANDARD_ERRORS = 2
HOW_TO_READ = """\
Ultralytics' own mAP50-95 in %, on the **{split}** split, means over seeds: with the BatchNorm statistics that
a checkpoint stores, and with those of training images without augmentation instead. *beyond noise* counts
the checkpoints where the two differ by more than two standard errors over the images, and by more than 2
points. Higher anew means that the stored statistics do not fit the weights, so that all other tables show
less than the model can do. Lower anew is no fault: the model learned from images of another size, or
augmented ones."""
REMEDY = (
    "the other tables show less than these models can do; try a smaller `dis` or `lr0`, more epochs or a "
    "larger batch (docs/faq.md)"
)


@dataclass(frozen=True)
class Checkpoint:
    """mAP50-95 of a checkpoint on the first split with one head, as a fraction of 1.

    `noise` is the largest difference between `stored` and `anew` that says nothing.
    """

    cell: str
    head: str
    stored: float
    anew: float
    noise: float

    @property
    def beyond(self) -> bool:
        """Whether the two differ by more than the noise."""
        return abs(self.anew - self.stored) > self.noise

    def __str__(self) -> str:
        """Return both values in %."""
        return f"{percent(self.stored)} % as stored, {percent(self.anew)} % anew ({HEAD_NAMES[self.head]})"


def checkpoints(results: Results) -> list[Checkpoint]:
    """Return what was measured with statistics anew; nothing of validations before kdpipe did that."""
    if ANEW_METRIC not in results.table:
        return []
    lines = results.lines(split=results.choice_split).dropna(subset=[OWN_METRIC, ANEW_METRIC])
    places = zip(lines["cell"], lines["head"], lines[OWN_METRIC], lines[ANEW_METRIC], strict=True)
    return [
        Checkpoint(
            cell, head, stored, anew, _noise(results.files[cell].deviations(results.choice_split, head, "AP"))
        )
        for cell, head, stored, anew in places
    ]


def misfits(found: Sequence[Checkpoint], split: str) -> list[str]:
    """Return a warning that names the checkpoints that are better with statistics anew, beyond the noise.

    Args:
        found: All checkpoints.
        split: The split on which they were measured.
    """
    by_cell = defaultdict(list)
    for checkpoint in found:
        if checkpoint.beyond and checkpoint.anew > checkpoint.stored:
            by_cell[checkpoint.cell].append(str(checkpoint))
    if not by_cell:
        return []
    whose = ", ".join(f"{cell}: {', '.join(heads)}" for cell, heads in by_cell.items())
    trainings = counted(len(by_cell), "training")
    return [
        f"BatchNorm statistics do not fit the weights of {trainings}; mAP50-95 on {split}: {whose}; {REMEDY}"
    ]


def stored_and_anew(results: Results, found: Sequence[Checkpoint]) -> str:
    """Return a table with a line per setting and head.

    Args:
        results: The results of all trainings.
        found: All checkpoints.
    """
    by_place = {(one.cell, one.head): one for one in found}
    lines = []
    for setting in results.settings:
        for head in HEADS:
            cells = [line["cell"] for line in results.of(setting, results.choice_split, head)]
            own = [by_place[cell, head] for cell in cells if (cell, head) in by_place]
            if own:
                stored, anew = fmean(one.stored for one in own), fmean(one.anew for one in own)
                line = {"model": str(setting), "head": HEAD_NAMES[head]}
                line |= {"as stored": percent(stored), "anew": percent(anew)}
                line["difference"] = gain_of(anew - stored, None, None)
                lines.append(line | {"beyond noise": f"{sum(one.beyond for one in own)} of {len(own)}"})
    return markdown(lines)


def _noise(deviations: NDArray[np.float64]) -> float:
    """Two standard errors over images, from the deviations of AP over half samples; at least `LEAST`."""
    error = float(deviations.std(ddof=1)) if len(deviations) > 1 else 0.0
    return max(LEAST, STANDARD_ERRORS * error)
