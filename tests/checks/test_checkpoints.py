from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.made_up import record_of
from kdpipe.cells.cell import DATASET_DIR, teacher_cell
from kdpipe.checks.preflight import preflight
from kdpipe.data.prepare import prepare
from tests.bad_inputs import model_file
from tests.yolo.test_backbone import NAME, saved_backbone

Write = Callable[..., Path]


def as_teacher(path: str, **train: object) -> dict[str, object]:
    return {"teachers__yolo26s": {"init": path, "train": {"epochs": 0, **train}}}


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A finished yolo26s of the ten digits."""
    path = tmp_path / "mine.pt"
    model_file("yolo26s")(path)
    return path


def edit(path: Path, **content: object) -> None:
    checkpoint = torch.load(path, weights_only=False)
    torch.save({**checkpoint, **content}, path)


def test_nothing_suspicious_is_not_mentioned(write_params: Write) -> None:
    assert preflight(write_params()).warnings == []


def test_a_teacher_of_unknown_data_is_suspicious(write_params: Write, teacher: Path) -> None:
    edit(teacher, train_args={"imgsz": 64})
    (sentence,) = preflight(write_params(**as_teacher("mine.pt"))).warnings
    assert sentence.startswith("teachers.yolo26s.init: mine.pt was trained on data that it does not name")
    edit(teacher, train_args={"imgsz": 64, "data": "/elsewhere/digits.yaml"})
    assert preflight(write_params(**as_teacher("mine.pt"))).warnings == []


def test_a_teacher_of_other_data_is_suspicious(write_params: Write, teacher: Path, tmp_path: Path) -> None:
    """Where kdpipe trained it, its record says on what."""
    edit(teacher, train_args={"imgsz": 64})
    digest = prepare(preflight(write_params(**as_teacher("mine.pt"))).params.data, DATASET_DIR).digest
    record = record_of(teacher_cell("yolo26s"), "", "", epochs=1)
    replace(record, identity=replace(record.identity, data_digest=digest)).save(tmp_path)
    assert preflight().warnings == []
    replace(record, identity=replace(record.identity, data_digest="other")).save(tmp_path)
    assert preflight().warnings == ["teachers.yolo26s.init: mine.pt was trained on other data than this"]


def test_another_size_of_images_is_suspicious(write_params: Write, teacher: Path) -> None:
    edit(teacher, train_args={"imgsz": 640, "data": "digits.yaml"})
    (sentence,) = preflight(write_params(**as_teacher("mine.pt"))).warnings
    assert "was trained with imgsz 640, and is used with 64" in sentence
    own = {"teachers__yolo26s__train": {"imgsz": 96}}
    (sentence,) = preflight(write_params(**own)).warnings
    assert sentence == (
        "pairs.n-s: the teacher yolo26s is trained with imgsz 96, and sees the images of yolo26n at 64"
    )
    twice = {"teachers__yolo26s__train": {"imgsz": 128}, "pairs__n-s__teacher_imgsz": 128}
    assert preflight(write_params(**twice)).warnings == []


def test_a_backbone_takes_any_size(write_params: Write, tmp_path: Path) -> None:
    entry = {"model": f"timm/{NAME}", "init": str(saved_backbone(tmp_path)), "train": {"epochs": 0}}
    pair = {"student": "yolo26n", "teacher": "vit", "method": "backbone", "teacher_imgsz": 160}
    assert preflight(write_params(teachers__vit=entry, **{"pairs__n-vit": pair})).warnings == []


def test_an_unfinished_training_is_suspicious(write_params: Write, tmp_path: Path) -> None:
    model_file()(tmp_path / "last.pt")
    edit(tmp_path / "last.pt", optimizer={"state": {}})
    (sentence,) = preflight(write_params(students__yolo26n__init="last.pt")).warnings
    assert "last.pt holds a training that was not finished" in sentence


def test_a_checkpoint_is_looked_into_again_when_it_changes(write_params: Write, teacher: Path) -> None:
    write_params(**as_teacher("mine.pt"))
    assert len(preflight().warnings) == 1
    edit(teacher, train_args={"imgsz": 640, "data": "other.yaml"})
    assert len(preflight().warnings) == 2


@pytest.mark.usefixtures("teacher")
def test_what_another_kdpipe_has_kept_of_a_checkpoint_is_not_used(write_params: Write) -> None:
    """Its fields may be others."""
    params = write_params(**as_teacher("mine.pt"))
    assert len(preflight(params).warnings) == 1
    kept = list((params.parent / ".kdpipe/checked").glob("*.json"))
    assert kept
    for content in ('{"model": {"name": "yolo26s"}}', "{}"):
        for path in kept:
            path.write_text(content)
        assert len(preflight(params).warnings) == 1
