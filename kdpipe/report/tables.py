"""The benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan, nan

import pandas as pd

from kdpipe.models.names import HEADS
from kdpipe.models.tasks import TASKS
from kdpipe.params.schema import L2
from kdpipe.report import batch_statistics, breakdown, exports, figure_data, quantized, teachers, verdicts
from kdpipe.report.against_published import against_published
from kdpipe.report.comparisons import (
    DIS_DIS,
    DISTILLED_BASELINE,
    E2E_NMS,
    STARTED_SCRATCH,
    STUDENT_TEACHER,
    Comparison,
    Seeds,
    seeds_of,
)
from kdpipe.report.formatting import (
    HEAD_NAMES,
    gain,
    gain_row,
    markdown,
    no_html,
    percent,
    probability,
    spread,
)
from kdpipe.report.results import BOX_METRIC, METRIC, NO_DIS, OWN_BOX_METRIC, OWN_METRIC, Results
from kdpipe.report.started import started_students

HOW_TO_READ = """\
**{label} is {metric}** in %, on the **{split}** split; mean ± standard deviation over {seeds}. *e2e* is the
NMS-free head, *NMS* the classical one. A gain is the mean difference seed by seed, with its 95 % interval
in brackets: how far it would move with other seeds and other images, {teachers}. *no gain worth having* is
said where the interval lies within ±{smallest:g} points, *better* and *worse* where it reaches further and
excludes 0, else *undecided*. The interval of a best `dis` is wider, as it holds for all that were tried.
Each training keeps its best epoch on val, by the head that `train.nms` says (by default the classical one).
*P(better)* is how sure it is that the gain is above 0."""
EXTENSION = " COCO itself knows no rotated boxes: these are its rules, applied to their overlap."
CHOSEN_ELSEWHERE = (
    "The best `dis` is chosen on **{choice}**, by the primary head, and measured on **{split}**."
)
CHOSEN_HERE = (
    "The best `dis` is chosen on the same images that measure it, so its line flatters; "
    "the table over every `dis` does not."
)
PUBLISHED = "Released checkpoints, as they are, beside what Ultralytics publishes of them (AP in %)."
COSTS = (
    "Training time and peak memory relative to the baseline, medians over seeds; then baseline / distilled "
    "student as saved: the same model, without teacher and projector."
)
STARTED = (
    "The teacher's training is in these students, baseline and distilled alike. Where a student of the same "
    "model and arguments trains from scratch on the same images, for as many epochs as teacher and student "
    "together, the difference is what the start is worth if the teacher has to be trained for it."
)
DETAILS = "<!-- details -->"  # README.md has what is before it
SAVED = {"params (M)": ("parameters", 1e6), "GFLOPs": ("gflops", 1), "file (MB)": ("file_bytes", 1e6)}


def benchmark(
    results: Results,
    comparisons: Sequence[Comparison],
    numbers: Mapping[str, pd.DataFrame],
    confirmed: pd.DataFrame,
    *,
    answers: Sequence[str],
    notes: Sequence[str],
) -> str:
    """The whole of benchmark.md.

    Args:
        results: What the runs say.
        comparisons: Every one that the results allow.
        numbers: The tables of `kdpipe.report.figure_data`: `gains` has a line per pair, `dis` and head.
        confirmed: The same as `gains`, of seeds that played no part in a choice; empty if there are none.
        answers: A sentence per pair.
        notes: Warnings that stand above the tables.
    """
    gains, seeds = numbers["gains"], seeds_of(comparisons)
    smallest = 100 * results.question.smallest
    question = f"{verdicts.HOW_TO_READ.format(smallest=smallest)} {_choice(results)}"
    main = {
        "Verdicts": [question, verdicts.table(gains, confirmed)],
        "On new seeds": [verdicts.CONFIRMED, verdicts.on_new_seeds(confirmed)],
        "Every `dis`": [over_dis(gains)],
        "Exported": [exports.HOW_TO_READ, exports.table(numbers["exports"], results.skipped)],
        "Distilled, quantized in training, both": [
            quantized.HOW_TO_READ,
            quantized.table(numbers["quantized"]),
        ],
        "Teachers": [teachers.table(results)],
    }
    details = {
        "Students at their best `dis`": [headline(results, comparisons)],
        "Students that start from a teacher": [STARTED, started(results, comparisons)],
        "Measured and published": [PUBLISHED, against_published(results)],
        "What it cost": [COSTS, costs(results, seeds)],
        "Where the gain comes from": [
            breakdown.HOW_TO_READ,
            breakdown.by_size_and_error(results, seeds),
            breakdown.by_class(results, seeds),
        ],
        "e2e against NMS": [heads(comparisons)],
        "Students against teachers": [from_to(comparisons, STUDENT_TEACHER)],
        "One `dis` against another": [from_to(comparisons, DIS_DIS)],
        "COCO AP and Ultralytics' own mAP50-95": [both_metrics(results)],
        "BatchNorm statistics anew": [
            batch_statistics.HOW_TO_READ.format(split=results.choice_split),
            batch_statistics.stored_and_anew(results, batch_statistics.checkpoints(results)),
        ],
    }
    parts = ["# Benchmark", *(f"**{no_html(answer)}**" for answer in answers), _how_to_read(results)]
    parts += ["\n".join(f"> **Warning:** {no_html(note)}" for note in notes)] if notes else []
    parts += [*_sections(main), DETAILS, *_sections(details)]
    return "\n\n".join(parts) + "\n"


def _sections(content: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Those that have a table, under their titles."""
    for title, blocks in content.items():
        if blocks[-1]:
            yield from (f"## {title}", *blocks)


def headline(results: Results, comparisons: Iterable[Comparison]) -> str:
    """A line per pair at its best `dis`, with the columns of the published tables."""
    found = {(c.pair, c.dis, c.head): c for c in comparisons if c.kind == DISTILLED_BASELINE}
    starts = {found.student: f" (from {found.teacher})" for found in started_students(results)}
    methods = {item.method for item in results.best}
    lines = []
    for item in results.best:
        line = {"student": item.student + starts.get(item.student, ""), "teacher": item.teacher}
        line |= {"method": item.method} if methods - {L2, NO_DIS} else {}
        line["best dis"] = item.dis
        line["size (px)"] = str(item.imgsz)
        for head, label in (("nms", results.question.label), ("e2e", f"{results.question.label} e2e")):
            comparison = found.get((item.pair, item.dis, head))
            line[f"{label} baseline"] = spread(comparison.before_summary) if comparison else ""
            line[f"{label} distilled"] = spread(comparison.after_summary) if comparison else ""
        lines.append(line)
    return markdown(lines)


def over_dis(gains: pd.DataFrame) -> str:
    """The gain of every pair and `dis`, per head."""
    return markdown([gain_row(line) for line in gains.to_dict("records")])


def heads(comparisons: Iterable[Comparison]) -> str:
    """What each model gains or loses without NMS."""
    lines = []
    for found in comparisons:
        if found.kind == E2E_NMS:
            line = {"model": found.after, "NMS": spread(found.before_summary)}
            lines.append(line | {"e2e": spread(found.after_summary)} | _outcome(found, "e2e - NMS"))
    return markdown(lines)


def from_to(comparisons: Iterable[Comparison], kind: str) -> str:
    """The comparisons of another kind, per head."""
    lines = []
    for found in comparisons:
        if found.kind == kind:
            line = {"from": found.before, "to": found.after, "head": HEAD_NAMES[found.head]}
            lines.append(line | _outcome(found, "difference"))
    return markdown(lines)


def started(results: Results, comparisons: Sequence[Comparison]) -> str:
    """A line per student that starts from a teacher, head, and student from scratch of as many epochs."""
    lines = []
    for student in started_students(results):
        line = {"student": student.student, "starts from": student.teacher}
        line["epochs"] = f"{student.teacher_epochs or 'unknown'} + {student.epochs}"
        of_it = [c for c in comparisons if c.kind == STARTED_SCRATCH and c.after == str(student.baseline)]
        for found in of_it:
            measured = {"head": HEAD_NAMES[found.head], "scratch": found.before.removesuffix(" baseline")}
            measured |= {"its AP": spread(found.before_summary), "AP": spread(found.after_summary)}
            lines.append(line | measured | _outcome(found, "difference"))
        if not of_it:
            total = student.teacher_epochs + student.epochs
            missing = f"none of {total} epochs" if student.teacher_epochs else "none"
            lines.append(line | {"head": "", "scratch": missing})
    return markdown(lines)


def costs(results: Results, seeds: Seeds) -> str:
    """What distilling costs beside training alone, and that the saved student is the same model."""
    lines = []
    for found in figure_data.costs(results, seeds):
        line = {"pair": found["pair"], "dis": found["dis"]}
        line |= {name: "" if isnan(found[name]) else f"{found[name]:.2f} x" for name in ("time", "memory")}
        for name, (column, unit) in SAVED.items():
            sizes = (found[f"{whose} {column}"] / unit for whose in ("baseline", "distilled"))
            line[name] = " / ".join(f"{size:.2f}" for size in sizes)
        lines.append(line)
    return markdown(lines)


def both_metrics(results: Results) -> str:
    """COCO AP beside Ultralytics' own, for every model, and where it has boxes too, that of those."""
    lines = []
    metrics = {"COCO": METRIC, "Ultralytics": OWN_METRIC}
    if BOX_METRIC in results.table:
        metrics |= {"COCO boxes": BOX_METRIC, "Ultralytics boxes": OWN_BOX_METRIC}
    for setting in results.settings:
        line = {"model": str(setting)}
        for head in HEADS:
            found = results.mean(setting, head)
            for name, metric in metrics.items():
                line[f"{HEAD_NAMES[head]} {name}"] = percent(found.get(metric, nan))
        lines.append(line)
    return markdown(lines)


def _how_to_read(results: Results) -> str:
    count = results.lines(kind="baseline")["seed"].nunique()
    seeds = "1 seed" if count == 1 else f"{count} seeds"
    text = HOW_TO_READ.format(
        label=results.question.label,
        metric=results.task.metric,
        split=results.split,
        seeds=seeds,
        smallest=100 * results.question.smallest,
        teachers=teachers.covered(results),
    )
    return text + (EXTENSION if results.task is TASKS["obb"] else "")


def _choice(results: Results) -> str:
    elsewhere = results.choice_split != results.split
    text = CHOSEN_ELSEWHERE if elsewhere else CHOSEN_HERE
    return text.format(choice=results.choice_split, split=results.split)


def _outcome(found: Comparison, name: str) -> dict[str, str]:
    return {
        name: gain(found.gain),
        "P(better)": probability(found.gain.probability if found.gain else None),
        "verdict": found.verdict,
    }
