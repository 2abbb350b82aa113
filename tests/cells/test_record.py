from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from kdpipe.cells.cell import DATASET_DIR, baseline_cell
from kdpipe.cells.record import load_record, save_identity
from kdpipe.cells.work import work_dir
from kdpipe.checks.preflight import preflight
from kdpipe.console import console
from kdpipe.data.prepare import prepare
from kdpipe.environment import ultralytics_version
from kdpipe.models.start_weights import source_of
from kdpipe.report.fairness import unlike_pairs
from kdpipe.stages.train import identify, train_cell
from tests.reported import SCORES, record_of

Write = Callable[..., Path]


def test_records_of_before_the_recipe_keep_their_fingerprint() -> None:
    """That of an identity without recipe and versions, as kdpipe 0.1 computed it."""
    identity = record_of(baseline_cell("yolo26n", 0)).identity
    assert (identity.recipe, identity.versions) == (None, None)
    assert dataclasses.replace(identity, recipe=1).fingerprint != identity.fingerprint
    assert dataclasses.replace(identity, versions={"torch": "2.11"}).fingerprint != identity.fingerprint


def test_trainings_of_another_recipe_are_not_compared() -> None:
    records = [record_of(cell) for cell in SCORES]
    assert not unlike_pairs(records)
    newer = [
        dataclasses.replace(record, identity=dataclasses.replace(record.identity, recipe=2))
        if record.identity.kind == "distill"
        else record
        for record in records
    ]
    assert all("recipe 2 instead of 1" in reason for reason in unlike_pairs(newer).values())
    assert len(unlike_pairs(newer)) == sum(record.identity.kind == "distill" for record in records)


def test_work_of_other_versions_is_not_continued_silently(write_params: Write, teacher_weights: Path) -> None:
    student = {"init": str(teacher_weights), "model": "yolo26s", "train": {"epochs": 0}}
    params = preflight(
        write_params(
            students={"a": student},
            teachers={"yolo26s": {"init": str(teacher_weights), "train": {"epochs": 0}}},
            pairs={"p": {"student": "a", "teacher": "unknown", "distilled": str(teacher_weights)}},
        )
    ).params
    prepare(params.data, DATASET_DIR)
    cell = baseline_cell("a", 0)
    source = source_of(params, cell)
    identity = identify(params, cell, source, source.path)
    assert identity.versions is not None
    assert identity.versions["ultralytics"] == ultralytics_version()
    older = dataclasses.replace(identity, versions={"ultralytics": "8.4.0", "torch": "2.0.0"})
    folder = work_dir(older.fingerprint)
    folder.mkdir(parents=True)
    save_identity(older, folder)
    with console.capture() as captured:
        train_cell(params, cell)
    said = " ".join(captured.get().split())
    assert "begun with recipe 1 (torch 2.0.0, ultralytics 8.4.0)" in said
    assert f"delete {folder}" in said
    assert folder.exists()
    record = load_record(cell.train_dir)
    assert record.fingerprint == record.identity.fingerprint == identity.fingerprint
    assert json.loads((cell.train_dir / "record.json").read_text())["identity"]["recipe"] == 1
