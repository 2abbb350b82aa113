"""The comparison itself: baseline against distilled, per pair, dis and head."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd

from kdpipe.report.results import per_seed
from kdpipe.stats import Gain, Summary, paired_gain, summarise
from kdpipe.zoo import HEADS


@dataclass(frozen=True)
class Comparison:
    """One head: a student without and with its teacher."""

    baseline: Summary
    distilled: Summary
    gain: Gain


@dataclass(frozen=True)
class Row:
    """A pair at one `dis`; a head that the family lacks is absent."""

    pair: str
    student: str
    teacher: str
    imgsz: int
    parameters: int
    dis: str
    heads: dict[str, Comparison]

    @property
    def score(self) -> float:
        """By what the best `dis` is chosen: the e2e head where there is one."""
        return self.heads[next(head for head in HEADS if head in self.heads)].distilled.mean

    def as_dict(self) -> dict[str, object]:
        """The row for JSON, with the verdicts spelt out."""
        content = asdict(self)
        for head, comparison in self.heads.items():
            content["heads"][head]["gain"]["verdict"] = comparison.gain.verdict
        return content


def compare(results: pd.DataFrame) -> list[Row]:
    """Every pair at every `dis`, in the order of the results."""
    distilled = results[results["kind"] == "distill"]
    rows = []
    for _, lines in distilled.groupby(["pair", "dis"], sort=False):
        first = lines.iloc[0]
        pair, dis = first["pair"], first["dis"]
        heads = {}
        for head in lines["head"].unique():
            before = per_seed(results, head, kind="baseline", student=first["student"])
            after = per_seed(results, head, kind="distill", pair=pair, dis=dis)
            if before and after:
                heads[head] = Comparison(summarise(before), summarise(after), paired_gain(before, after))
        size, parameters = int(first["imgsz"]), int(first["parameters"])
        rows.append(Row(pair, first["student"], first["teacher"], size, parameters, dis, heads))
    return sorted(rows, key=lambda row: (row.pair, float(row.dis)))


def best_rows(rows: list[Row]) -> list[Row]:
    """The best `dis` of each pair."""
    pairs = dict.fromkeys(row.pair for row in rows)
    return [max((r for r in rows if r.pair == pair), key=lambda r: r.score) for pair in pairs]


def weak_teachers(results: pd.DataFrame, rows: list[Row]) -> list[str]:
    """A sentence for each teacher that is not better than its student alone."""
    warnings = []
    for row in best_rows(rows):
        for head, comparison in row.heads.items():
            teacher = per_seed(results, head, kind="teacher", cell=f"teacher/{row.teacher}")
            if teacher and max(teacher.values()) <= comparison.baseline.mean:
                warnings.append(
                    f"the teacher {row.teacher} ({max(teacher.values()):.3f}) is NOT better than its "
                    f"student {row.student} alone ({comparison.baseline.mean:.3f}) on the {head} head: "
                    "expect no gain; train it longer or take another one"
                )
    return warnings
