"""Students that simulate INT8 in their training, beside those that are quantized afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from kdpipe.models.formats import format_of
from kdpipe.models.names import HEADS
from kdpipe.report.exports import gain_row, measured
from kdpipe.report.fairness import comparable
from kdpipe.report.formatting import HEAD_NAMES, gain_of, markdown, percent
from kdpipe.report.gains import paired_gain
from kdpipe.report.results import PairAt, Results, Setting

Row = Mapping[str, Any]

NAME = "quantize"  # the train argument that the arms differ in
HOW_TO_READ = """\
All four are measured in INT8: *neither* and *distilled* were trained in floating point and quantized when
they were exported, *quantize* and *both* simulated INT8 in their training (`train.quantize: 8`). *of
distilling* is the gain over the same without a teacher, *of quantize* over the same in floating point."""


def quantized_rows(results: Results, exported: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a row per INT8 format, head and arm, of pairs that differ only in the student's `quantize`.

    Args:
        results: What the runs say.
        exported: The rows of `kdpipe.report.exports`, which have the gain of distilling in each format.
    """
    found = {(row["pair"], row["head"], row["format"]): row for row in exported}
    int8 = [name for name in results.exported if format_of(name).of_quantized]
    rows: list[dict[str, Any]] = []
    for before, after in twins(results):
        for name, head in product(int8, HEADS):
            floating, simulated = (found.get((item.pair, head, name)) for item in (before, after))
            if floating and simulated:
                place = {"pair": before.pair, "quantized pair": after.pair, "format": name, "head": head}
                gains = {
                    "baseline": _of_quantize(results, (before.baseline, after.baseline), name, head),
                    "distilled": _of_quantize(results, (before.distilled, after.distilled), name, head),
                }
                rows += [{**place, **arm} for arm in _arms(floating, simulated, gains)]
    return rows


def twins(results: Results) -> Iterator[tuple[PairAt, PairAt]]:
    """Yield pairs of the same teacher and method whose students differ in `quantize` alone."""
    for before, after in product(results.best, repeat=2):
        if (before.teacher, before.method) != (after.teacher, after.method):
            continue
        its, other = _student_of(results, before), _student_of(results, after)
        if other.get(NAME) and not its.get(NAME) and other == {**its, NAME: other[NAME]}:
            yield before, after


def table(rows: pd.DataFrame) -> str:
    """Format the rows."""
    lines = []
    for line in rows.to_dict("records"):
        pairs = f"{line['pair']}, {line['quantized pair']}"
        shown = {"pairs": pairs, "format": line["format"], "head": HEAD_NAMES[line["head"]]}
        shown |= {"arm": line["arm"], "AP": percent(line["AP"])}
        for name in ("of distilling", "of quantize"):
            missing = pd.isna(line[name])
            shown[name] = "" if missing else gain_of(line[name], line[f"{name} low"], line[f"{name} high"])
            shown[f"verdict {name}"] = "" if missing else line[f"{name} verdict"]
        lines.append(shown)
    return markdown(lines)


def _student_of(results: Results, item: PairAt) -> dict[str, Any]:
    """What can change the results of a pair's baseline; empty if none is trained."""
    cells = results.cells(item.baseline)
    if not cells:
        return {}
    record = results.files[cells[0]["cell"]].record
    return {**comparable(record), "model": record.identity.model}


def _of_quantize(results: Results, settings: tuple[Setting, Setting], name: str, head: str) -> Row:
    """The gain of simulating INT8 in the training, in a format.

    Args:
        results: What the runs say.
        settings: What is trained in floating point, and the same with `quantize`.
        name: The format.
        head: The head.
    """
    before, after = (measured(results, results.exported[name], setting, head) for setting in settings)
    return gain_row(paired_gain(before, after), results.question.smallest)


def _arms(floating: Row, simulated: Row, of_quantize: Mapping[str, Row]) -> Iterator[dict[str, Any]]:
    """Yield the four arms.

    Args:
        floating: The exported row of the pair that is trained in floating point.
        simulated: That of the pair with `quantize`.
        of_quantize: What `quantize` brings a baseline, and a distilled student.
    """
    for arm, row, student in (
        ("neither", floating, "baseline"),
        ("distilled", floating, "distilled"),
        (NAME, simulated, "baseline"),
        ("both", simulated, "distilled"),
    ):
        line = {"arm": arm, "AP": row[student]}
        line |= _named("of distilling", row if student == "distilled" else {})
        yield line | _named("of quantize", of_quantize[student] if row is simulated else {})


def _named(name: str, gain: Row) -> dict[str, Any]:
    """A gain under the name of what brought it; empty for an arm without it."""
    ends = {f"{name} {end}": gain.get(end) for end in ("low", "high", "verdict")}
    return {name: gain.get("gain"), **ends}
