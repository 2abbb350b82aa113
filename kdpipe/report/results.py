"""Hold the results that are compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, starmap
from statistics import fmean
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kdpipe.cells.cell import PAIRED, arm
from kdpipe.cells.record import Metrics, Record
from kdpipe.models.entries import AND
from kdpipe.models.names import HEADS, preferred_head
from kdpipe.models.tasks import Task
from kdpipe.report.gains import Measurement
from kdpipe.report.question import Question

COCO, TIDE = "coco/", "error/"  # what metrics begin with
METRIC = "coco/AP"
OWN_METRIC = "mAP50-95"  # Ultralytics' own
BOX_METRIC, OWN_BOX_METRIC = "coco/box/AP", "box/mAP50-95"  # of tasks that measure more than boxes
NO_DIS = "none"  # of a finished student, whose `dis` is unknown


Line = Mapping[Hashable, Any]
"""A row of the table, with the metrics of COCO and the types of errors."""


class Files(Protocol):
    """What is read from the files of a training, because MLflow does not have it."""

    @property
    def record(self) -> Record:
        """What was trained."""

    @property
    def metrics(self) -> Metrics:
        """Metrics by split and head."""

    def deviations(self, split: str, head: str, metric: str) -> NDArray[np.float64]:
        """Return the deviations of a metric over half samples of the images, (samples,)."""

    def details(self, split: str, head: str) -> Mapping[str, float]:
        """Return the metrics that are not logged, such as types of errors, and those that are."""

    def class_ap(self, split: str, head: str) -> Mapping[str, float]:
        """Return COCO AP of each class."""


@dataclass(frozen=True)
class Setting:
    """What is trained, with one seed or with each: a teacher, a baseline student, or a pair at one `dis`."""

    kind: str
    name: str
    dis: str | None = None

    def __str__(self) -> str:
        """Return its name in the report."""
        return arm(self.kind, self.name, None if self.dis == NO_DIS else self.dis)


@dataclass(frozen=True)
class PairAt:
    """A pair at one `dis`, with what its trainings have in common; `paired` are its teachers with seeds."""

    pair: str
    dis: str
    student: str
    teacher: str
    method: str
    imgsz: int
    paired: tuple[str, ...] = ()

    @property
    def distilled(self) -> Setting:
        """The student trained with its teacher."""
        return Setting("distill", self.pair, self.dis)

    @property
    def baseline(self) -> Setting:
        """The student trained alone."""
        return Setting("baseline", self.student)

    @property
    def its_teachers(self) -> list[Setting]:
        """The teacher, or several."""
        names = self.teacher.split(AND)
        return [Setting(PAIRED if name in self.paired else "teacher", name) for name in names]


@dataclass(frozen=True)
class Results:
    """The results of all runs, which are of one `task`.

    `table` has one row per run, split and head, with the columns cell, kind, pair, student, teacher,
    dis (text, as in params.yaml), seed, data, model, init, method, epochs, imgsz, experiment_id, run_id,
    split, head, the costs, and one per overall metric. `splits` are in the order of params.yaml. `files` are
    by training id. `exported` are those of exported files, by format; `skipped` says why others are not.
    """

    table: pd.DataFrame
    splits: list[str]
    files: Mapping[str, Files]
    task: Task
    question: Question = field(default_factory=Question)
    exported: Mapping[str, Mapping[str, Files]] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def choice_split(self) -> str:
        """The split on which the best `dis` is chosen."""
        return self.splits[0]

    @property
    def split(self) -> str:
        """The split on which everything is measured."""
        return self.splits[-1]

    def measured(self, setting: Setting, head: str) -> dict[int, Measurement]:
        """Return the metric of a setting on the measured split by seed, with its deviations."""
        if (setting, head) not in self._measured:
            self._measured[setting, head] = {
                int(line["seed"]): Measurement(
                    line[self.question.column],
                    self.files[line["cell"]].deviations(self.split, head, self.question.metric),
                )
                for line in self.of(setting, self.split, head)
            }
        return self._measured[setting, head]

    def of(self, setting: Setting, split: str, head: str) -> list[Line]:
        """Return the rows of a setting, one per seed; an empty list if it was not measured.

        Args:
            setting: What is trained.
            split: The split.
            head: "e2e" or "nms".
        """
        return self._by_setting.get(_key(setting, split, head), [])

    def cells(self, setting: Setting) -> list[Line]:
        """Return one row per seed of a setting, of whichever head was measured."""
        per_head = (self.of(setting, self.split, head) for head in HEADS)
        return next(filter(None, per_head), [])

    def class_ap(self, setting: Setting, head: str) -> dict[str, dict[int, float]]:
        """Return COCO AP of each class on the measured split, by seed."""
        if (setting, head) not in self._class_ap:
            lines = self.of(setting, self.split, head)
            found = {int(one["seed"]): self.files[one["cell"]].class_ap(self.split, head) for one in lines}
            names = next(iter(found.values()), {})  # all were evaluated on the same classes
            self._class_ap[setting, head] = {
                name: {seed: one[name] for seed, one in found.items()} for name in names
            }
        return self._class_ap[setting, head]

    def mean(self, setting: Setting, head: str) -> Mapping[str, float]:
        """Return the means over seeds of all metrics of a setting on the measured split."""
        return self._means.get(_key(setting, self.split, head), {})

    @cached_property
    def pairs(self) -> list[PairAt]:
        """Every pair at every `dis`, sorted by pair and by `dis`."""
        lines = self.lines(kind="distill").drop_duplicates(["pair", "dis"])
        columns = (lines[name] for name in ("pair", "dis", "student", "teacher", "method", "imgsz"))
        with_seeds = set(self.lines(kind=PAIRED)["cell"].str.split("/").str[1])
        found = [
            replace(item, paired=tuple(name for name in item.teacher.split(AND) if name in with_seeds))
            for item in starmap(PairAt, zip(*columns, strict=True))
        ]
        return sorted(found, key=lambda item: (item.pair, number(item.dis)))

    @cached_property
    def settings(self) -> list[Setting]:
        """The baselines, teachers and distilled students of all pairs."""
        return list(dict.fromkeys(s for i in self.pairs for s in (i.baseline, *i.its_teachers, i.distilled)))

    @cached_property
    def best(self) -> list[PairAt]:
        """Each pair at its best `dis`: by the mean over seeds on `choice_split`, on the primary head."""
        pairs = groupby(self.pairs, key=lambda item: item.pair)
        return [max(same, key=lambda item: fmean(self._choice(item).values())) for _, same in pairs]

    def best_cell(self, item: PairAt) -> str:
        """Return the id of the best seed of a pair, chosen in the same way as the best `dis`."""
        scores = self._choice(item)
        return max(scores, key=lambda cell: scores[cell])

    def _choice(self, item: PairAt) -> dict[str, float]:
        """Return what the choice is made by: the metric on `choice_split`, by training id."""
        lines = self.of(item.distilled, self.choice_split, self.primary_head(item))
        return {line["cell"]: line[self.question.column] for line in lines}

    def primary_head(self, item: PairAt) -> str:
        """Return the head that decides about a pair."""
        if self.question.head:
            return self.question.head
        return preferred_head({head for head in HEADS if self.of(item.distilled, self.choice_split, head)})

    def lines(self, **where: object) -> pd.DataFrame:
        """Return the rows of the table that have these values."""
        chosen = self.table
        for column, value in where.items():
            chosen = chosen[chosen[column] == value]
        return chosen

    @cached_property
    def _measured(self) -> dict[tuple[Setting, str], dict[int, Measurement]]:
        return {}

    @cached_property
    def _class_ap(self) -> dict[tuple[Setting, str], dict[str, dict[int, float]]]:
        return {}

    @cached_property
    def _keys(self) -> list[pd.Series[Any]]:
        name, dis = self.table["cell"].str.split("/").str[1], self.table["dis"].fillna("")
        return [self.table["kind"], name, dis, self.table["split"], self.table["head"]]

    @cached_property
    def _by_setting(self) -> dict[Hashable, list[Line]]:
        kept = self.table.columns.str.startswith((COCO, TIDE))
        lines = self.table.loc[:, :"head"].join(self.table.loc[:, kept]).to_dict("records")
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
    """Return a `dis` as a number, to sort and to draw by; NaN if it is unknown."""
    return float("nan") if dis in (None, NO_DIS) else float(dis)
