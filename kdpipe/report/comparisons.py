"""Compare the results: distilled with baseline, student with teacher, e2e with NMS, `dis` with `dis`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, is_dataclass, replace
from itertools import combinations, groupby

from kdpipe.models.names import HEADS
from kdpipe.report.gains import ERROR, Gain, Summary, paired_gain, summarise
from kdpipe.report.results import PairAt, Results, Setting
from kdpipe.report.selection import error_of, paid_for
from kdpipe.report.sequential import ERROR_AT_LOOK, at_look
from kdpipe.report.started import started_students

DISTILLED_BASELINE = "distilled - baseline"
E2E_NMS = "e2e - nms"
STUDENT_TEACHER = "student - teacher"
DIS_DIS = "dis - dis"
LEAST_AP = 0.01
STARTED_SCRATCH = "from a teacher - scratch"
Seeds = Mapping[tuple[str | None, str | None, str], AbstractSet[int]]
"""The seeds that a comparison is of, by pair, `dis` and head."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of two results on the measured split.

    `gain` is None if the two must not be compared; then `refused` says why. Its interval and P hold for all
    the `tried` settings that it was chosen from, so that the interval has this two-sided `error`; `smallest`
    is the smallest gain worth having, as a fraction of 1.
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
    smallest: float
    refused: str | None = None
    tried: int = 1
    error: float = ERROR

    @property
    def verdict(self) -> str:
        """The outcome in plain words."""
        return self.gain.verdict(self.smallest) if self.gain else f"not compared: {self.refused}"

    def as_dict(self) -> dict[str, object]:
        """Return the comparison as JSON values."""
        found = {name: vars(value) if is_dataclass(value) else value for name, value in vars(self).items()}
        return {**found, "verdict": self.verdict}


def compare(results: Results, unlike: Mapping[str, str]) -> list[Comparison]:
    """Return all comparisons of the results; `unlike` says why a training must not be compared, by id."""
    found = [comparison for head in HEADS for comparison in _on_head(results, head, unlike)]
    return list(_choices_paid(results, found))


def at_looks(results: Results, unlike: Mapping[str, str]) -> list[Comparison]:
    """Return the gains of seeds that `kdpipe confirm` added, with intervals that hold at every look.

    Args:
        results: The results of these seeds.
        unlike: Why a training must not be compared, by id.
    """
    found = [one for one in compare(results, unlike) if one.kind == DISTILLED_BASELINE]
    return [replace(one, gain=at_look(one.gain), error=ERROR_AT_LOOK) if one.gain else one for one in found]


def _choices_paid(results: Results, found: Sequence[Comparison]) -> Iterator[Comparison]:
    """Yield the comparisons; the gains of each pair at its best `dis` have paid for that choice."""
    best = {(item.pair, item.dis) for item in results.best}
    for one in found:
        if one.kind != DISTILLED_BASELINE or (one.pair, one.dis) not in best or one.gain is None:
            yield one
            continue
        same = [
            c.gain for c in found if (c.kind, c.pair, c.head) == (one.kind, one.pair, one.head) and c.gain
        ]
        tried = max(len(same), results.question.tried.get(str(one.pair), 1))
        error, gain = error_of(one.gain, same, tried), paid_for(one.gain, same, tried)
        yield replace(one, tried=tried, gain=gain, error=error)


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
        smallest=results.question.smallest,
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


def seeds_of(comparisons: Iterable[Comparison]) -> Seeds:
    """Return the seeds of the pairs' comparisons; none of what is refused."""
    return {
        (one.pair, one.dis, one.head): one.gain.per_seed.keys()
        for one in comparisons
        if one.kind == DISTILLED_BASELINE and one.gain
    }


def nothing_learned(comparisons: list[Comparison]) -> list[str]:
    """Return a warning for each pair whose students find nothing, with or without a teacher."""
    return [
        f"{found.before} and {found.after} find almost nothing on the {found.head} head: what they have in "
        "common says nothing about distillation; train longer"
        for found in comparisons
        if found.kind == DISTILLED_BASELINE
        and max(found.before_summary.mean, found.after_summary.mean) < LEAST_AP
    ]


def weak_teachers(comparisons: list[Comparison]) -> list[str]:
    """Return a warning for each teacher that is not better than its student alone."""
    return [
        f"the teacher {found.before.split()[0]} ({found.before_summary.mean:.3f}) is NOT better than its "
        f"student {found.after.split()[0]} alone ({found.after_summary.mean:.3f}) on the {found.head} head: "
        "expect no gain; train it longer or use another teacher"
        for found in comparisons
        if found.kind == STUDENT_TEACHER and found.pair is None and found.gain and found.gain.mean >= 0
    ]
