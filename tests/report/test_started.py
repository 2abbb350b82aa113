"""What the report says of students that start from a teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdpipe.cells.cell import Cell, baseline_cell, distill_cell, teacher_cell
from kdpipe.cells.record import load_record
from kdpipe.report.comparisons import STARTED_SCRATCH
from tests.reported import finish, report

SEEDS = range(3)
TEACHER_EPOCHS, EPOCHS = 3, 2


def finished(cell: Cell, score: float, init: str, epochs: int) -> Cell:
    """A training of these start weights and so many epochs."""
    finish(cell, score)
    record = load_record(cell.train_dir)
    student = cell.name if cell.kind == "baseline" else record.identity.student
    identity = replace(record.identity, init=init, student=student)
    arguments = {**record.arguments, "epochs": epochs}
    replace(record, identity=identity, fingerprint=identity.fingerprint, arguments=arguments).save(
        cell.train_dir
    )
    return cell


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    monkeypatch.chdir(tmp_path)
    found = [finished(teacher_cell("yolo26s"), 0.6, "scratch", TEACHER_EPOCHS)]
    for seed in SEEDS:
        found.append(finished(baseline_cell("yolo26n", seed), 0.5 + 0.01 * seed, "from yolo26s", EPOCHS))
        found.append(finished(distill_cell("n-s", 1.0, seed), 0.55, "from yolo26s", EPOCHS))
    return found


def test_the_teachers_epochs_are_counted(cells: list[Cell]) -> None:
    reported = report(cells)
    table = Path("reports/benchmark.md").read_text()
    assert "## Students that start from a teacher" in table
    assert "| yolo26n (from yolo26s) | yolo26s   | 1.0" in table
    assert "| yolo26n   | yolo26s       | 3 + 2    |        | none of 5 epochs |" in table
    assert not [found for found in reported.comparisons if found.kind == STARTED_SCRATCH]


def test_as_many_epochs_from_scratch_are_beside_it(cells: list[Cell]) -> None:
    long = [finished(baseline_cell("long", seed), 0.4, "scratch", TEACHER_EPOCHS + EPOCHS) for seed in SEEDS]
    short = [finished(baseline_cell("short", seed), 0.3, "scratch", EPOCHS) for seed in SEEDS]
    reported = report([*cells, *long, *short])
    found = [one for one in reported.comparisons if one.kind == STARTED_SCRATCH]
    assert [(one.before, one.after, one.head) for one in found] == [
        ("long baseline", "yolo26n baseline", head) for head in ("e2e", "nms")
    ]
    assert found[0].gain is not None
    assert found[0].gain.mean == pytest.approx(0.11)
    assert (
        "| yolo26n   | yolo26s       | 3 + 2    | e2e    | long      |"
        in Path("reports/benchmark.md").read_text()
    )


@pytest.mark.parametrize("whose", ["scratch", "start", "teacher"])
def test_what_saw_other_images_is_no_comparison(cells: list[Cell], whose: str) -> None:
    """As where a student has few labels, and the teacher and another student have all."""
    long = [finished(baseline_cell("long", seed), 0.4, "scratch", TEACHER_EPOCHS + EPOCHS) for seed in SEEDS]
    few = {"scratch": long, "start": [cell for cell in cells if cell.name == "yolo26n"], "teacher": cells[:1]}
    for cell in few[whose]:
        record = load_record(cell.train_dir)
        replace(record, arguments={**record.arguments, "fraction": 0.1}).save(cell.train_dir)
    reported = report([*cells, *long])
    assert not [one for one in reported.comparisons if one.kind == STARTED_SCRATCH]
    assert "none of 5 epochs" in Path("reports/benchmark.md").read_text()


def test_what_one_seed_trained_otherwise_is_no_comparison(cells: list[Cell]) -> None:
    long = [finished(baseline_cell("long", seed), 0.4, "scratch", TEACHER_EPOCHS + EPOCHS) for seed in SEEDS]
    record = load_record(long[1].train_dir)
    replace(record, environment={**record.environment, "torch": "2.4.0"}).save(long[1].train_dir)
    assert not [one for one in report([*cells, *long]).comparisons if one.kind == STARTED_SCRATCH]


def test_epochs_of_a_teacher_that_was_not_trained_here_are_unknown(cells: list[Cell]) -> None:
    record = load_record(cells[0].train_dir)
    replace(record, arguments={**record.arguments, "epochs": 0}).save(cells[0].train_dir)
    short = [finished(baseline_cell("short", seed), 0.3, "scratch", EPOCHS) for seed in SEEDS]
    assert not [one for one in report([*cells, *short]).comparisons if one.kind == STARTED_SCRATCH]
    assert "| unknown + 2 |        | none      |" in Path("reports/benchmark.md").read_text()


def test_nothing_is_said_where_no_student_does(cells: list[Cell]) -> None:
    for cell in cells:
        record = load_record(cell.train_dir)
        identity = replace(record.identity, init="scratch")
        replace(record, identity=identity, fingerprint=identity.fingerprint).save(cell.train_dir)
    report(cells)
    assert "start from a teacher" not in Path("reports/benchmark.md").read_text()
