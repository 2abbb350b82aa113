"""The comparisons: what is set against what, on which head, and with which outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations

import pandas as pd

from kdpipe.report.results import NO_DIS, Results, number
from kdpipe.stats import Gain, Summary, paired_gain, summarise
from kdpipe.zoo import HEADS

DISTILLED_BASELINE = "distilled - baseline"
E2E_NMS = "e2e - nms"
STUDENT_TEACHER = "student - teacher"
DIS_DIS = "dis - dis"


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

    @property
    def where(self) -> dict[str, str]:
        """By which columns of the results it is found."""
        column = {"teacher": "cell", "baseline": "student", "distill": "pair"}[self.kind]
        name = f"teacher/{self.name}" if self.kind == "teacher" else self.name
        return {"kind": self.kind, column: name, **({"dis": self.dis} if self.dis else {})}

    def lines(self, results: Results, head: str) -> pd.DataFrame:
        """Its lines, one per seed, on the measuring split."""
        return results.lines(split=results.split, head=head, **self.where)

    def cells(self, results: Results) -> pd.DataFrame:
        """A line per seed, whatever the head."""
        return results.lines(split=results.split, **self.where).drop_duplicates("cell")


@dataclass(frozen=True)
class Comparison:
    """One result set against another on the measuring split.

    `gain` is None where the two must not be compared, and `refused` says why.
    """

    kind: str
    before: str
    after: str
    head: str
    pair: str | None
    dis: str | None
    before_summary: Summary
    after_summary: Summary
    gain: Gain | None
    refused: str | None = None

    @property
    def verdict(self) -> str:
        """In plain words."""
        return self.gain.verdict if self.gain else f"not compared: {self.refused}"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "verdict": self.verdict}


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


def settings(results: Results) -> list[Setting]:
    """Every setting that a pair has to do with."""
    items = pairs_at(results)
    return list(dict.fromkeys(s for i in items for s in (i.baseline, i.its_teacher, i.distilled)))


def pairs_at(results: Results) -> list[PairAt]:
    """Every pair at every `dis`, by pair and by size of `dis`."""
    lines = results.lines(kind="distill").drop_duplicates(["pair", "dis"])
    found = [
        PairAt(line["pair"], line["dis"], line["student"], line["teacher"], int(line["imgsz"]))
        for _, line in lines.iterrows()
    ]
    return sorted(found, key=lambda item: (item.pair, number(item.dis)))


def best(results: Results) -> list[PairAt]:
    """Each pair at its best `dis`: by the mean over seeds on the choosing split, on the e2e head where
    there is one.
    """

    def score(item: PairAt) -> float:
        per_head = (results.measured(results.choice_split, head, **item.distilled.where) for head in HEADS)
        return summarise(next(found for found in per_head if found)).mean

    items = pairs_at(results)
    names = dict.fromkeys(item.pair for item in items)
    return [max((i for i in items if i.pair == name), key=score) for name in names]


def compare(results: Results, unlike: Mapping[str, str]) -> list[Comparison]:
    """Every comparison that the results allow; `unlike` says why a cell must not be compared."""
    items = pairs_at(results)
    return [comparison for head in HEADS for comparison in _on_head(results, items, head, unlike)]


def _on_head(
    results: Results, items: list[PairAt], head: str, unlike: Mapping[str, str]
) -> Iterator[Comparison]:
    for item in items:
        yield from _set(
            results, DISTILLED_BASELINE, item.baseline, item.distilled, head, item=item, unlike=unlike
        )
        yield from _set(results, STUDENT_TEACHER, item.its_teacher, item.distilled, head, item=item)
    for student, teacher in dict.fromkeys((item.student, item.teacher) for item in items):
        alone, taught_by = Setting("baseline", student), Setting("teacher", teacher)
        yield from _set(results, STUDENT_TEACHER, taught_by, alone, head)
    for first, second in combinations(items, 2):
        if first.pair == second.pair:
            yield from _set(
                results, DIS_DIS, first.distilled, second.distilled, head, item=second, unlike=unlike
            )
    if head == "e2e":
        for setting in settings(results):
            yield from _set(results, E2E_NMS, setting, setting, head)


def _set(
    results: Results,
    kind: str,
    before: Setting,
    after: Setting,
    head: str,
    *,
    item: PairAt | None = None,
    unlike: Mapping[str, str] | None = None,
) -> Iterator[Comparison]:
    """The comparison, if both were measured on this head."""
    olds = results.measured(results.split, "nms" if kind == E2E_NMS else head, **before.where)
    news = results.measured(results.split, head, **after.where)
    if not olds or not news:
        return
    if before.kind == "teacher" and after.kind != "teacher":
        olds = dict.fromkeys(news, next(iter(olds.values())))  # the one teacher, for every seed
    unfair = _unfair_seeds(results, (before, after), unlike or {})
    fair = {seed: found for seed, found in news.items() if seed in olds and seed not in unfair}
    refused = next(iter(unfair.values()), "no seed in common")
    yield Comparison(
        kind=kind,
        before=str(before),
        after=str(after),
        head=head,
        pair=item.pair if item else None,
        dis=item.dis if item else None,
        before_summary=summarise(olds),
        after_summary=summarise(news),
        gain=paired_gain(olds, fair) if fair else None,
        refused=None if fair else refused,
    )


def _unfair_seeds(
    results: Results, compared: tuple[Setting, Setting], unlike: Mapping[str, str]
) -> dict[int, str]:
    """Why a seed must be left out, because of the cell of either setting."""
    cells = pd.concat(setting.cells(results) for setting in compared)
    found = zip(cells["seed"], cells["cell"], strict=True)
    return {int(seed): unlike[cell] for seed, cell in found if cell in unlike}


def weak_teachers(comparisons: list[Comparison]) -> list[str]:
    """A sentence for each teacher that is not better than its student alone."""
    return [
        f"the teacher {found.before.split()[0]} ({found.before_summary.mean:.3f}) is NOT better than its "
        f"student {found.after.split()[0]} alone ({found.after_summary.mean:.3f}) on the {found.head} head: "
        "expect no gain; train it longer or take another one"
        for found in comparisons
        if found.kind == STUDENT_TEACHER and found.pair is None and found.gain and found.gain.mean >= 0
    ]
