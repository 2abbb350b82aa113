"""What notebooks and scripts may call: `kdpipe.load_report` and `kdpipe.compare`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from kdpipe.errors import KdpipeError, counted, did_you_mean
from kdpipe.evaluation import evaluate
from kdpipe.evaluation.coco_results import load_coco_results
from kdpipe.evaluation.coco_truth import TASKS_OF_COCO, load_coco_file
from kdpipe.models.tasks import TASKS
from kdpipe.params.limits import SECTIONS
from kdpipe.params.load import FEWEST_RESAMPLES
from kdpipe.params.schema import METRICS, Evaluate
from kdpipe.paths import expanded
from kdpipe.report.arms import Arms, compare_arms
from kdpipe.report.gains import Measurement
from kdpipe.report.question import Question
from kdpipe.report.read import Content, load_content
from kdpipe.report.write import REPORTS_DIR

File = str | os.PathLike[str]
Files = Sequence[File] | Mapping[int, File]


def load_report(path: File = ".") -> Content:
    """Read the report of a project.

    Args:
        path: The project's folder, or its folder `reports`.

    Returns:
        `answers`, a sentence per pair; as pandas frames `gains`, a row per pair, `dis` and head, and
        `trainings`, a row per training, split and head; and the rest of the report.

    Raises:
        KdpipeError: if there is no report yet, or it cannot be read.
    """
    folder = expanded(os.fspath(path))
    is_project = (folder / REPORTS_DIR).is_dir()
    return load_content(folder / REPORTS_DIR if is_project else folder)


def compare(
    truth: File,
    baseline: Files,
    distilled: Files,
    *,
    metric: str = METRICS[0],
    task: str = "detect",
    smallest: float = Evaluate.smallest,
    resamples: int = Evaluate.resamples,
    seed: int = Evaluate.seed,
) -> Arms:
    """Compare predictions that any tool made, as the report compares those of kdpipe's trainings.

    Args:
        truth: Annotation file of COCO.
        baseline: Result files of COCO, one per seed; or a mapping from seeds to files.
        distilled: The same of the distilled models; files at the same position have the same seed.
        metric: `AP` (mAP50-95), `AP50` or `AP75`.
        task: `detect`, `segment` (masks) or `pose` (keypoints).
        smallest: The smallest gain worth having, in points.
        resamples: Number of random halves of the images on which AP is computed again.
        seed: Random seed of these halves.

    Returns:
        Both arms, their gain with its interval, and the verdict.

    Raises:
        KdpipeError: if an argument has no meaning, or a file cannot be used; says which one, and why.
    """
    _check_word("metric", metric, METRICS)
    _check_word("task", task, TASKS_OF_COCO)
    _check_number("smallest", smallest, *SECTIONS["evaluate.smallest"])
    _check_number("resamples", resamples, FEWEST_RESAMPLES, SECTIONS["evaluate.resamples"][1])
    _check_number("seed", seed, *SECTIONS["evaluate.seed"])
    files = {"baseline": _by_seed("baseline", baseline), "distilled": _by_seed("distilled", distilled)}
    _check_pairs(**files)
    annotated = load_coco_file(expanded(os.fspath(truth)), task)
    found = {
        arm: {of: load_coco_results(path, annotated) for of, path in paths.items()}
        for arm, paths in files.items()
    }

    def measured(predictions: pd.DataFrame) -> Measurement:
        metrics, deviations = evaluate(annotated.truth, predictions, resamples, seed)
        return Measurement(metrics[question.column], deviations[metric])

    question = Question(metric=metric, smallest=smallest / 100)
    before, after = ({of: measured(frame) for of, frame in frames.items()} for frames in found.values())
    return compare_arms(
        before,
        after,
        label=question.label,
        metric=TASKS[task].metric,
        images=len(annotated.images),
        smallest=question.smallest,
    )


def _check_word(name: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise KdpipeError(f"{name} {given!r}: {did_you_mean(given, known)}")


def _check_number(name: str, given: float, least: float, most: float) -> None:
    if not least <= given <= most:
        raise KdpipeError(f"{name} {given}: write a number from {least:.15g} to {most:.15g}")


def _by_seed(arm: str, files: Files) -> dict[int, Path]:
    """Paths by seed; those of a list have their positions as seeds."""
    if isinstance(files, str | os.PathLike):
        raise KdpipeError(f"{arm}: {os.fspath(files)!r} is one file: write a list, with a file for each seed")
    given = files if isinstance(files, Mapping) else dict(enumerate(files))
    paths = {seed: expanded(os.fspath(file)) for seed, file in given.items()}
    twice = {path for path in paths.values() if [*paths.values()].count(path) > 1}
    if twice:
        raise KdpipeError(f"{arm}: {min(twice)} is given twice: write a file for each seed")
    return paths


def _check_pairs(baseline: Mapping[int, Path], distilled: Mapping[int, Path]) -> None:
    if not baseline or len(baseline) != len(distilled):
        counts = f"{counted(len(baseline), 'file')} of the baseline and {len(distilled)} distilled"
        raise KdpipeError(f"{counts}: each seed needs one of both")
    if unlike := sorted(baseline.keys() ^ distilled.keys()):
        raise KdpipeError(f"only one of both arms has seed {unlike[0]}: each seed needs a file of both")
