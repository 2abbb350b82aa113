"""The teachers in the report: what they reach, and whether intervals cover other trainings of them."""

from __future__ import annotations

from statistics import fmean

from kdpipe.cells.cell import PAIRED, TEACHERS
from kdpipe.errors import counted
from kdpipe.report.formatting import markdown, percent, spread
from kdpipe.report.gains import summarise
from kdpipe.report.results import Results, Setting

ONE = "not with another training of the teacher"
PAIRED_ALL = "and with other trainings of the teacher"
PAIRED_SOME = "and for {pairs} with other trainings of the teacher"


def covered(results: Results) -> str:
    """End the sentence that says what an interval covers: a teacher has one training, or one per seed."""
    pairs = {item.pair: all(its.kind == PAIRED for its in item.its_teachers) for item in results.best}
    if not any(pairs.values()):
        return ONE
    if all(pairs.values()):
        return PAIRED_ALL
    return PAIRED_SOME.format(pairs=", ".join(pair for pair, paired in pairs.items() if paired))


def table(results: Results) -> str:
    """A line per teacher, and one for the trainings per seed of a paired one: both heads, and their time."""
    lines = []
    taught = results.table[results.table["kind"].isin(TEACHERS)]
    names = taught["cell"].str.split("/").str[1]
    for kind, name in dict.fromkeys(zip(taught["kind"], names, strict=True)):
        setting = Setting(kind, name)
        cells = results.cells(setting)
        one = kind != PAIRED
        sizes = results.lines(cell=cells[0]["cell"])["parameters"]
        line = {"teacher": name if one else f"{name}, {counted(len(cells), 'seed')}"}
        line |= {"params (M)": f"{sizes.iloc[0] / 1e6:.1f}"}
        label = results.question.label
        for head, title in (("nms", label), ("e2e", f"{label} e2e")):
            summary = (
                summarise(results.measured(setting, head))
                if results.of(setting, results.split, head)
                else None
            )
            line[title] = (percent(summary.mean) if one else spread(summary)) if summary else ""
        line["training (min)"] = f"{fmean(cell['seconds'] for cell in cells) / 60:.1f}"
        lines.append(line)
    return markdown(lines)
