"""Make the start weights of a student that starts from a teacher."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from kdpipe.cells.cell import (
    BEST_FILE,
    START_FILE,
    START_INFO,
    STARTS_DIR,
    seeds_of_student,
    start_folder,
    teacher_for,
)
from kdpipe.console import console
from kdpipe.models.entries import architecture
from kdpipe.params.schema import Model, Params


def make_start(params: Params, student: str) -> None:
    """Write start.json of a student per seed, and start.pt if its start weights are selected from a teacher.

    For any other student the files are the same whatever the teachers are, so that its trainings stay as they
    are.

    Raises:
        KdpipeError: if the teacher's checkpoint cannot be used.
    """
    model = params.students[student]
    shutil.rmtree(STARTS_DIR / student, ignore_errors=True)
    made: dict[Path | None, Path] = {}  # by checkpoint: a teacher that is not paired has one for all seeds
    for seed in seeds_of_student(params, student):
        out, best = start_folder(student, seed), None
        if model.starts_from:
            best = teacher_for(params, model.starts_from, seed).train_dir / BEST_FILE
        if best in made:
            shutil.copytree(made[best], out)
        else:
            out.mkdir(parents=True)
            _write(model, student, best, out)
            made[best] = out


def _write(model: Model, student: str, best: Path | None, out: Path) -> None:
    """Write the files of one seed; `best` is the teacher's checkpoint, if it starts from one."""
    share: dict[str, object] = {}
    if best:
        from kdpipe.yolo.selection import save_selected

        selected = save_selected(architecture(student, model), best, out / START_FILE)
        share = asdict(selected)
        console.print(f"{student} starts from {model.starts_from}: {selected} -> {out / START_FILE}")
    content = {"from": model.starts_from, **share}
    (out / START_INFO).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
