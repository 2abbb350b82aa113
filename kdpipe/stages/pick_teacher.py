"""Choose the teacher of a pair and store the reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

from kdpipe.cells.cell import (
    BEST_FILE,
    CHOICE_FILE,
    PAIR_FILE,
    PAIRS_DIR,
    pair_folder,
    pair_teacher,
    seeds_of_pair,
    start_folder,
    teacher_cell,
    teacher_for,
)
from kdpipe.cells.record import load_metrics
from kdpipe.models.entries import (
    AND,
    RECOMMENDED,
    UNKNOWN,
    architecture,
    at_once,
    candidates,
    method_settings,
)
from kdpipe.params.schema import Pair, Params

# Every family has this head, so candidates of all families can be compared.
HEAD, METRIC = "nms", "coco/AP"


def choose_teacher(params: Params, pair_name: str) -> str:
    """Write pair.json, choice.json, and a folder per seed with the start weights and teachers of a pair.

    Distilled trainings depend on pair.json and the folder of their seed, not on the reason in choice.json.

    Returns:
        The reason for the choice, as a sentence.
    """
    pair = params.pairs[pair_name]
    out = PAIRS_DIR / pair_name
    shutil.rmtree(out, ignore_errors=True)
    for seed in seeds_of_pair(params, pair_name):
        shutil.copytree(start_folder(pair.student, seed), pair_folder(pair_name, seed))
    if pair.teacher == UNKNOWN:
        return _unknown(params, pair_name)
    names = candidates(params, pair)
    split, scores = _scores(names)
    chosen = names if at_once(pair) or len(names) == 1 else [max(scores, key=lambda name: scores[name])]
    reason = _reason(params, pair, chosen, scores, split)
    for seed, name in product(seeds_of_pair(params, pair_name), chosen):
        best = teacher_for(params, name, seed).train_dir / BEST_FILE
        shutil.copyfile(best, pair_teacher(pair_name, seed, name))
    teacher = AND.join(chosen)
    _write(out / PAIR_FILE, _content(params, pair, teacher))
    _write(out / CHOICE_FILE, {"teacher": teacher, "reason": reason, f"{HEAD}/{METRIC}": scores})
    return reason


def _scores(names: Sequence[str]) -> tuple[str, dict[str, float]]:
    """Return the split on which teachers are compared, and their AP there; backbones have none."""
    metrics = {name: load_metrics(teacher_cell(name).eval_dir) for name in names}
    split = next(split for found in metrics.values() for split in found)
    return split, {name: found[split][HEAD][METRIC] for name, found in metrics.items() if found[split]}


def _unknown(params: Params, pair_name: str) -> str:
    """Write an empty file: a finished student needs no teacher, and nothing reads it."""
    pair, out = params.pairs[pair_name], PAIRS_DIR / pair_name
    reason = f"the teacher of {pair.distilled} is not known"
    for seed in seeds_of_pair(params, pair_name):
        pair_teacher(pair_name, seed, UNKNOWN).write_bytes(b"")
    _write(out / PAIR_FILE, _content(params, pair, UNKNOWN))
    _write(out / CHOICE_FILE, {"teacher": UNKNOWN, "reason": reason})
    return reason


def _content(params: Params, pair: Pair, teacher: str) -> dict[str, object]:
    """Return everything about a pair that its distilled trainings depend on."""
    student = {"name": pair.student, **asdict(params.students[pair.student])}
    settings = method_settings(params, pair)
    return {
        "teacher": teacher,
        "student": student,
        "distilled": pair.distilled,
        "sha256": pair.sha256,
        **({"method": settings} if settings else {}),
    }


def _reason(params: Params, pair: Pair, chosen: list[str], scores: dict[str, float], split: str) -> str:
    """Say why, with the AP of all candidates."""
    if not scores:
        return f"{AND.join(chosen)} is named in params.yaml (a backbone, which has no AP)"
    if at_once(pair):
        known = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
        return (
            f"the student learns from all of them at once (COCO AP on {split} with the {HEAD} head: {known})"
        )
    best = chosen[0]
    measured = f"COCO AP {scores[best]:.3f} on {split} with the {HEAD} head"
    if len(scores) > 1:
        others = ", ".join(f"{n} {score:.3f}" for n, score in scores.items() if n != best)
        return f"{best} has the best {measured} of the candidates (others: {others})"
    if pair.teacher == RECOMMENDED:
        student = architecture(pair.student, params.students[pair.student])
        return f"{best} is the published teacher of {student} ({measured})"
    return f"{best} is named in params.yaml ({measured})"


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
