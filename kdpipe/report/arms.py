"""Two arms whose predictions other tools made: what is compared, in the words of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isinf
from typing import Any

import pandas as pd

from kdpipe.errors import counted
from kdpipe.report.answer import enough_seeds, nothing_learned, outcome
from kdpipe.report.formatting import gain, markdown, p_value, percent, signed, spread
from kdpipe.report.gains import ERROR, UNDECIDED, Gain, Measurement, Summary, paired_gain, summarise
from kdpipe.report.planning import planned


@dataclass(frozen=True)
class Arms:
    """A baseline and a distilled arm of the same seeds, compared.

    AP and gains are fractions of 1, in texts % and points.

    Attributes:
        label: The metric, such as mAP50-95.
        metric: What it is measured on, such as COCO AP of masks.
        images: Number of images.
        baseline: Mean, standard deviation over seeds, and the value of each seed.
        distilled: The same of the distilled arm.
        gain: Mean, 95 % interval, P and the gain of each seed.
        smallest: The smallest gain worth having.
    """

    label: str
    metric: str
    images: int
    baseline: Summary
    distilled: Summary
    gain: Gain
    smallest: float

    @property
    def verdict(self) -> str:
        """What the interval decides: better, worse, no gain worth having, undecided or unknown."""
        return self.gain.verdict(self.smallest)

    @property
    def detectable(self) -> float | None:
        """The gain that so many seeds and images detect with a probability of 0.8; None for one seed."""
        found: float | None = self._plan["detectable"]
        return found

    @property
    def arms(self) -> pd.DataFrame:
        """Mean and standard deviation over seeds, a row per arm."""
        rows = {"baseline": self.baseline, "distilled": self.distilled}
        lines = [{"arm": name, "mean": found.mean, "sd": found.sd} for name, found in rows.items()]
        return pd.DataFrame(lines).set_index("arm").astype(float)

    @property
    def seeds(self) -> pd.DataFrame:
        """Both arms and the gain, a row per seed."""
        columns = {"baseline": self.baseline.per_seed, "distilled": self.distilled.per_seed}
        frame = pd.DataFrame(columns | {"gain": self.gain.per_seed})
        return frame.rename_axis("seed").sort_index()

    @property
    def answer(self) -> str:
        """The verdict with its numbers in a sentence, and what would decide it."""
        seeds, images = counted(len(self.gain.per_seed), "seed"), counted(self.images, "image")
        said = outcome(self._line, self.label, f"{seeds}, {images}")
        return said if nothing_learned(self._line) else f"{said} {self._next()}".strip()

    def __str__(self) -> str:
        """Return the answer, and the arms and their seeds as tables."""
        row = {"baseline": spread(self.baseline), "distilled": spread(self.distilled)}
        row |= {"gain": gain(self.gain), "P": p_value(self.gain.p), "verdict": self.verdict}
        if self.detectable is not None:
            row["could detect"] = f"{100 * self.detectable:.1f} points"
        seeds = [
            {"seed": seed, "baseline": percent(b), "distilled": percent(d), "gain": signed(g)}
            for seed, b, d, g in self.seeds.itertuples()
        ]
        title = f"{self.label} ({self.metric}, %):"
        return "\n\n".join((self.answer, title, markdown([row]), markdown(seeds)))

    def _repr_markdown_(self) -> str:
        return str(self)

    @cached_property
    def _plan(self) -> Mapping[str, Any]:
        return planned(self.gain, self.smallest, ERROR)

    @property
    def _line(self) -> dict[Any, Any]:
        """The comparison as a row of the gains."""
        means = {"baseline": self.baseline.mean, "distilled": self.distilled.mean}
        ends = {"gain": self.gain.mean, "low": self.gain.low, "high": self.gain.high}
        counts = {"verdict": self.verdict, "seeds": len(self.gain.per_seed)}
        return {**means, **ends, **counts}

    def _next(self) -> str:
        """Say what would decide it."""
        if not self.verdict.startswith(UNDECIDED):
            return ""
        if self.detectable is None:
            return "One seed does not show the noise: compare several."
        plan = self._plan
        seeds = {self.smallest: plan["seeds for smallest"], abs(self.gain.mean): plan["seeds for gain"]}
        if enough := enough_seeds(seeds.items(), len(self.gain.per_seed)):
            more, effect = enough
            return f"{counted(more, 'more seed')} would detect {100 * effect:.1f} points."
        images = all(isinf(count) for count in seeds.values())
        return "More seeds do not help: the images are too few." if images else ""


def compare_arms(
    baseline: Mapping[int, Measurement],
    distilled: Mapping[int, Measurement],
    *,
    label: str,
    metric: str,
    images: int,
    smallest: float,
) -> Arms:
    """Compare what was measured of both arms, paired by seed.

    Args:
        baseline: By seed.
        distilled: By seed.
        label: The metric, such as mAP50-95.
        metric: What it is measured on, such as COCO AP of masks.
        images: Number of images.
        smallest: The smallest gain worth having, as a fraction of 1.
    """
    before, after = summarise(baseline), summarise(distilled)
    return Arms(label, metric, images, before, after, paired_gain(baseline, distilled), smallest)
