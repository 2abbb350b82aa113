"""Make the start weights of a student that starts from a teacher."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

from kdpipe.cells.cell import BEST_FILE, START_FILE, START_INFO, STARTS_DIR, teacher_cell
from kdpipe.console import console
from kdpipe.models.entries import architecture
from kdpipe.params.schema import Params


def make_start(params: Params, student: str) -> None:
    """Write start.json of a student, and start.pt if its start weights are selected from a teacher.

    For any other student the file is the same whatever the teachers are, so that its trainings stay as they
    are.

    Raises:
        KdpipeError: if the teacher's checkpoint cannot be used.
    """
    model, out = params.students[student], STARTS_DIR / student
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    teacher, share = model.starts_from, {}
    if teacher:
        from kdpipe.yolo.selection import save_selected

        best = teacher_cell(teacher).train_dir / BEST_FILE
        selected = save_selected(architecture(student, model), best, out / START_FILE)
        share = asdict(selected)
        console.print(f"{student} starts from {teacher}: {selected} -> {out / START_FILE}")
    else:
        console.print(f"{student} does not start from a teacher")
    content = {"from": teacher, **share}
    (out / START_INFO).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
