"""Compare the results: distilled with baseline, student with teacher, e2e with NMS, `dis` with `dis`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from itertools import combinations, groupby

from kdpipe.models.names import HEADS
from kdpipe.report.gains import Gain, Summary, paired_gain, summarise
from kdpipe.report.results import PairAt, Results, Setting
from kdpipe.report.started import started_students

DISTILLED_BASELINE = "distilled - baseline"
E2E_NMS = "e2e - nms"
STUDENT_TEACHER = "student - teacher"
DIS_DIS = "dis - dis"
STARTED_SCRATCH = "from a teacher - scratch"


@dataclass(frozen=True)
class Comparison:
    """A comparison of two results on the measured split.

    `gain` is None if the two must not be compared; then `refused` says why.
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
        """The outcome in plain words."""
        return self.gain.verdict if self.gain else f"not compared: {self.refused}"

    def as_dict(self) -> dict[str, object]:
        """Return the comparison as JSON values."""
        found = {name: vars(value) if is_dataclass(value) else value for name, value in vars(self).items()}
        return {**found, "verdict": self.verdict}


def compare(results: Results, unlike: Mapping[str, str]) -> list[Comparison]:
    """Return all comparisons of the results; `unlike` says why a training must not be compared, by id."""
    return [comparison for head in HEADS for comparison in _on_head(results, head, unlike)]


def _on_head(results: Results, head: str, unlike: Mapping[str, str]) -> Iterator[Comparison]:
    items = results.pairs
    for item in items:
        yield from _set(
            results, DISTILLED_BASELINE, item.baseline, item.distilled, head, item=item, unlike=unlike
        )
        for teacher in item.its_teachers:
            yield from _set(results, STUDENT_TEACHER, teacher, item.distilled, head, item=item)
    for alone, teacher in dict.fromkeys((item.baseline, its) for item in items for its in item.its_teachers):
        yield from _set(results, STUDENT_TEACHER, teacher, alone, head)
    for _, of_one_pair in groupby(items, key=lambda item: item.pair):
        for first, second in combinations(of_one_pair, 2):
            yield from _set(
                results, DIS_DIS, first.distilled, second.distilled, head, item=second, unlike=unlike
            )
    for started in started_students(results):
        for name in started.scratch:
            yield from _set(results, STARTED_SCRATCH, Setting("baseline", name), started.baseline, head)
    if head == "e2e":
        for setting in results.settings:
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
    """Yield the comparison, if both settings were measured on this head."""
    olds = results.measured(before, "nms" if kind == E2E_NMS else head)
    news = results.measured(after, head)
    if not olds or not news:
        return
    if before.kind == "teacher" and after.kind != "teacher":
        olds = dict.fromkeys(news, next(iter(olds.values())))  # the same teacher for every seed
    unfair = _unfair_seeds(results, (before, after), unlike or {})
    fair = {seed: found for seed, found in news.items() if seed in olds and seed not in unfair}
    refused = next(iter(unfair.values()), "no seed in common")
    if unfair and fair:  # the means must be of the same seeds as the gain
        olds, news = {seed: olds[seed] for seed in fair}, fair
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
    """Return the seeds to leave out because of a training of either setting, and why."""
    if not unlike:
        return {}
    cells = (results.cells(setting) for setting in compared)
    found = (line for lines in cells for line in lines if line["cell"] in unlike)
    return {int(line["seed"]): unlike[line["cell"]] for line in found}


def weak_teachers(comparisons: list[Comparison]) -> list[str]:
    """Return a warning for each teacher that is not better than its student alone."""
    return [
        f"the teacher {found.before.split()[0]} ({found.before_summary.mean:.3f}) is NOT better than its "
        f"student {found.after.split()[0]} alone ({found.after_summary.mean:.3f}) on the {found.head} head: "
        "expect no gain; train it longer or use another teacher"
        for found in comparisons
        if found.kind == STUDENT_TEACHER and found.pair is None and found.gain and found.gain.mean >= 0
    ]
