"""The results that are compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from statistics import fmean
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kdpipe.models.names import HEADS, preferred_head
from kdpipe.models.tasks import Task
from kdpipe.report.gains import Measurement

METRIC = "coco/AP"
OWN_METRIC = "mAP50-95"  # Ultralytics' own
BOX_METRIC, OWN_BOX_METRIC = "coco/box/AP", "box/mAP50-95"  # where boxes are not what is measured
NO_DIS = "none"  # of a finished student, whose `dis` is not known


Line = Mapping[Hashable, Any]
"""Of the table, without the metrics but COCO AP."""


class Files(Protocol):
    """What is read from a cell's own files."""

    def deviations(self, split: str, head: str) -> NDArray[np.float64]:
        """How COCO AP deviates over half samples of the images."""

    def class_ap(self, split: str, head: str) -> Mapping[str, float]:
        """COCO AP of each class."""


@dataclass(frozen=True)
class Setting:
    """All seeds of one training: a teacher, a baseline student, or a pair at one `dis`."""

    kind: str
    name: str
    dis: str | None = None

    def __str__(self) -> str:
        """As it is named in the report."""
        if self.dis == NO_DIS:
            return f"{self.name} distilled"
        return f"{self.name} dis {self.dis}" if self.dis else f"{self.name} {self.kind}"


@dataclass(frozen=True)
class PairAt:
    """A pair at one `dis`, with what its cells have in common."""

    pair: str
    dis: str
    student: str
    teacher: str
    imgsz: int

    @property
    def distilled(self) -> Setting:
        """The student with its teacher."""
        return Setting("distill", self.pair, self.dis)

    @property
    def baseline(self) -> Setting:
        """The student alone."""
        return Setting("baseline", self.student)

    @property
    def its_teacher(self) -> Setting:
        """The teacher."""
        return Setting("teacher", self.teacher)


@dataclass(frozen=True)
class Results:
    """What the runs say.

    `table` has one line per run, split and head, with the columns cell, kind, pair, student, teacher,
    dis (text, as in params.yaml), seed, data, model, init, epochs, imgsz, run_id, split, head, the costs,
    and one per overall metric. `splits` are in the order of params.yaml. All are of one `task`.
    """

    table: pd.DataFrame
    splits: list[str]
    files: Mapping[str, Files]
    task: Task

    @property
    def choice_split(self) -> str:
        """On which the best `dis` is chosen."""
        return self.splits[0]

    @property
    def split(self) -> str:
        """On which everything is measured."""
        return self.splits[-1]

    def measured(self, setting: Setting, head: str) -> dict[int, Measurement]:
        """COCO AP of a setting by seed, on the measuring split, with what is known of its noise."""
        if (setting, head) not in self._measured:
            self._measured[setting, head] = {
                int(line["seed"]): Measurement(
                    line[METRIC], self.files[line["cell"]].deviations(self.split, head)
                )
                for line in self.of(setting, self.split, head)
            }
        return self._measured[setting, head]

    def of(self, setting: Setting, split: str, head: str) -> list[Line]:
        """The lines of a setting, one per seed; none where it was not measured."""
        return self._by_setting.get(_key(setting, split, head), [])

    def cells(self, setting: Setting) -> list[Line]:
        """A line per seed of a setting, whatever the head."""
        per_head = (self.of(setting, self.split, head) for head in HEADS)
        return next(filter(None, per_head), [])

    def class_ap(self, setting: Setting, head: str) -> dict[str, float]:
        """COCO AP of each class on the measuring split: the mean over seeds."""
        if (setting, head) not in self._class_ap:
            lines = self.of(setting, self.split, head)
            found = [self.files[line["cell"]].class_ap(self.split, head) for line in lines]
            names = found[0] if found else ()  # all were evaluated on the same classes
            self._class_ap[setting, head] = {name: fmean(one[name] for one in found) for name in names}
        return self._class_ap[setting, head]

    def mean(self, setting: Setting, head: str) -> Mapping[str, float]:
        """The means over seeds of everything that is measured of a setting, on the measuring split."""
        return self._means.get(_key(setting, self.split, head), {})

    @cached_property
    def pairs(self) -> list[PairAt]:
        """Every pair at every `dis`, by pair and by size of `dis`."""
        lines = self.lines(kind="distill").drop_duplicates(["pair", "dis"])
        columns = (lines[name] for name in ("pair", "dis", "student", "teacher", "imgsz"))
        found = [PairAt(*values) for values in zip(*columns, strict=True)]
        return sorted(found, key=lambda item: (item.pair, number(item.dis)))

    @cached_property
    def settings(self) -> list[Setting]:
        """Every setting that a pair has to do with."""
        return list(dict.fromkeys(s for i in self.pairs for s in (i.baseline, i.its_teacher, i.distilled)))

    @cached_property
    def best(self) -> list[PairAt]:
        """Each pair at its best `dis`: by the mean over seeds on the choosing split, on the preferred
        head.
        """
        pairs = groupby(self.pairs, key=lambda item: item.pair)
        return [max(same, key=lambda item: fmean(self._choice(item).values())) for _, same in pairs]

    def best_cell(self, item: PairAt) -> str:
        """The cell of the best seed of a pair, chosen as the best `dis` is."""
        scores = self._choice(item)
        return max(scores, key=lambda cell: scores[cell])

    def _choice(self, item: PairAt) -> dict[str, float]:
        """By what is chosen: AP by cell on the choosing split."""
        per_head = {head: self.of(item.distilled, self.choice_split, head) for head in HEADS}
        head = preferred_head({head for head, lines in per_head.items() if lines})
        return {line["cell"]: line[METRIC] for line in per_head[head]}

    def lines(self, **where: object) -> pd.DataFrame:
        """The lines of the table that match."""
        chosen = self.table
        for column, value in where.items():
            chosen = chosen[chosen[column] == value]
        return chosen

    @cached_property
    def _measured(self) -> dict[tuple[Setting, str], dict[int, Measurement]]:
        return {}

    @cached_property
    def _class_ap(self) -> dict[tuple[Setting, str], dict[str, float]]:
        return {}

    @cached_property
    def _keys(self) -> list[pd.Series[Any]]:
        name, dis = self.table["cell"].str.split("/").str[1], self.table["dis"].fillna("")
        return [self.table["kind"], name, dis, self.table["split"], self.table["head"]]

    @cached_property
    def _by_setting(self) -> dict[Hashable, list[Line]]:
        lines = self.table.loc[:, :"head"].assign(**{METRIC: self.table[METRIC]}).to_dict("records")
        found: dict[Hashable, list[Line]] = defaultdict(list)
        for key, line in zip(zip(*self._keys, strict=True), lines, strict=True):
            found[key].append(line)
        return found

    @cached_property
    def _means(self) -> dict[Hashable, dict[str, float]]:
        means = self.table.groupby(self._keys, sort=False).mean(numeric_only=True)
        return dict(zip(means.index, means.to_dict("records"), strict=True))


def _key(setting: Setting, split: str, head: str) -> Hashable:
    return setting.kind, setting.name, setting.dis or "", split, head


def number(dis: str | None) -> float:
    """A `dis` to sort and to draw by; not a number where it is not known."""
    return float("nan") if dis in (None, NO_DIS) else float(dis)
