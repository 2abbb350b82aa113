"""The teachers in the report: what they reach, and whether intervals cover other trainings of them."""

from __future__ import annotations

from kdpipe.cells.cell import PAIRED, TEACHERS
from kdpipe.errors import counted
from kdpipe.report.formatting import markdown, spread
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
    settings = [Setting(*found) for found in set(zip(taught["kind"], names, strict=True))]
    for setting in sorted(settings, key=lambda it: (it.name, TEACHERS.index(it.kind))):
        cells, means = results.cells(setting), results.mean(setting, "nms")
        seeds = f", {counted(len(cells), 'seed')}" if setting.kind == PAIRED else ""
        line = {"teacher": setting.name + seeds, "params (M)": f"{means['parameters'] / 1e6:.1f}"}
        for head, title in (("nms", ""), ("e2e", " e2e")):
            measured = results.measured(setting, head)
            line[results.question.label + title] = spread(summarise(measured)) if measured else ""
        lines.append(line | {"training (min)": f"{means['seconds'] / 60:.1f}"})
    return markdown(lines)
