"""Choose the teacher of a pair and store the reason."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from kdpipe.cells.cell import (
    BEST_FILE,
    CHOICE_FILE,
    PAIR_FILE,
    PAIR_START,
    PAIRS_DIR,
    STARTS_DIR,
    TEACHER_FILE,
    teacher_cell,
)
from kdpipe.cells.record import load_metrics
from kdpipe.models.entries import RECOMMENDED, UNKNOWN, architecture, candidates, method_settings
from kdpipe.params.schema import Pair, Params

# Every family has this head, so candidates of all families can be compared.
HEAD, METRIC = "nms", "coco/AP"


def choose_teacher(params: Params, pair_name: str) -> str:
    """Write teacher.pt, pair.json, choice.json and the folder start of a pair.

    Distilled trainings depend on teacher.pt, pair.json and start, not on the reason in choice.json.

    Returns:
        The reason for the choice, as a sentence.
    """
    pair = params.pairs[pair_name]
    out = PAIRS_DIR / pair_name
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(STARTS_DIR / pair.student, out / PAIR_START)
    if pair.teacher == UNKNOWN:
        return _unknown(params, pair, out)
    metrics = {name: load_metrics(teacher_cell(name).eval_dir) for name in candidates(params, pair)}
    split = next(split for found in metrics.values() for split in found)
    scores = {name: found[split][HEAD][METRIC] for name, found in metrics.items()}
    chosen = max(scores, key=lambda name: scores[name])
    reason = _reason(params, pair, chosen, scores, split)
    shutil.copyfile(teacher_cell(chosen).train_dir / BEST_FILE, out / TEACHER_FILE)
    _write(out / PAIR_FILE, _content(params, pair, chosen))
    _write(out / CHOICE_FILE, {"teacher": chosen, "reason": reason, f"{HEAD}/{METRIC}": scores})
    return reason


def _unknown(params: Params, pair: Pair, out: Path) -> str:
    """Write an empty teacher.pt: a finished student needs no teacher, and nothing reads the file."""
    reason = f"the teacher of {pair.distilled} is not known"
    (out / TEACHER_FILE).write_bytes(b"")
    _write(out / PAIR_FILE, _content(params, pair, UNKNOWN))
    _write(out / CHOICE_FILE, {"teacher": UNKNOWN, "reason": reason})
    return reason


def _content(params: Params, pair: Pair, teacher: str) -> dict[str, object]:
    """Return everything about a pair that its distilled trainings depend on."""
    student = {"name": pair.student, **asdict(params.students[pair.student])}
    settings = method_settings(pair)
    return {
        "teacher": teacher,
        "student": student,
        "distilled": pair.distilled,
        "sha256": pair.sha256,
        **({"method": settings} if settings else {}),
    }


def _reason(params: Params, pair: Pair, chosen: str, scores: dict[str, float], split: str) -> str:
    measured = f"COCO AP {scores[chosen]:.3f} on {split} with the {HEAD} head"
    if len(scores) > 1:
        others = ", ".join(f"{n} {score:.3f}" for n, score in scores.items() if n != chosen)
        return f"{chosen} has the best {measured} of the candidates (others: {others})"
    if pair.teacher == RECOMMENDED:
        student = architecture(pair.student, params.students[pair.student])
        return f"{chosen} is the published teacher of {student} ({measured})"
    return f"{chosen} is named in params.yaml ({measured})"


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
