from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.cells.cell import DATASET_DIR, PAIRS_DIR, baseline_cell, distill_cell, teacher_cell
from kdpipe.cells.record import load_record, save_metrics
from kdpipe.checks.preflight import preflight
from kdpipe.data.prepare import prepare
from kdpipe.errors import ParamsError
from kdpipe.params.schema import Params
from kdpipe.paths import digest_of
from kdpipe.report.fairness import unlike_pairs
from kdpipe.stages.pick_teacher import choose_teacher
from kdpipe.stages.start import make_start
from kdpipe.stages.train import train_cell

Write = Callable[..., Path]
AS_IT_IS = {"epochs": 0}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def validated(name: str, score: float) -> None:
    """What an evaluated teacher leaves on disk, as far as choosing reads it."""
    cell = teacher_cell(name)
    cell.train_dir.mkdir(parents=True)
    cell.eval_dir.mkdir(parents=True)
    (cell.train_dir / "best.pt").write_bytes(name.encode())
    test = {"nms": {"coco/AP": 1 - score}}
    save_metrics(cell.eval_dir, {"val": {"e2e": {"coco/AP": 0.9}, "nms": {"coco/AP": score}}, "test": test})


def test_a_finished_checkpoint_is_taken_as_it_is(write_params: Write, teacher_weights: Path) -> None:
    teacher = {"init": str(teacher_weights), "train": AS_IT_IS}
    params = preflight(write_params(teachers={"yolo26s": teacher})).params
    prepare(params.data, DATASET_DIR)
    train_cell(params, teacher_cell("yolo26s"))
    record = load_record(teacher_cell("yolo26s").train_dir)
    assert record.epochs == 0
    assert record.weights_digest == record.identity.init_digest == digest_of(teacher_weights)
    assert record.identity.model == "yolo26s"


def chosen(params: Params) -> str:
    """What the stages `start` and `pick_teacher` do for the pair n-s; returns the reason."""
    make_start(params, params.pairs["n-s"].student)
    return choose_teacher(params, "n-s")


def test_the_best_candidate_teaches_and_the_choice_says_why(write_params: Write) -> None:
    teachers = {name: {"init": "scratch"} for name in ("yolo26s", "yolo26m", "yolo26l")}
    params = preflight(
        write_params(teachers=teachers, **{"pairs__n-s__teacher": ["yolo26s", "yolo26m"]})
    ).params
    for name, score in (("yolo26s", 0.3), ("yolo26m", 0.4), ("yolo26l", 0.5)):
        validated(name, score)
    reason = chosen(params)
    folder = PAIRS_DIR / "n-s"
    assert [(p.name, p.read_bytes()) for p in folder.glob("seeds/0/*.pt")] == [("yolo26m.pt", b"yolo26m")]
    assert reason.startswith("yolo26m has the best COCO AP 0.400 on val with the nms head")
    assert "yolo26s 0.300" in reason
    assert json.loads((folder / "choice.json").read_text())["teacher"] == "yolo26m"
    pair = json.loads((folder / "pair.json").read_text())
    assert (pair["teacher"], pair["student"]["init"]) == ("yolo26m", "scratch")


def test_named_and_recommended_teachers_say_so(write_params: Write) -> None:
    validated("yolo26s", 0.3)
    assert "is named in params.yaml" in chosen(preflight(write_params()).params)
    params = preflight(write_params(**{"pairs__n-s__teacher": "recommended"})).params
    assert "is the published teacher of yolo26n" in chosen(params)


@pytest.fixture(scope="module")
def student_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished yolo26n of ten digits, a baseline and a distilled one."""
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    folder = tmp_path_factory.mktemp("students")
    for name in ("baseline", "distilled"):
        model = YOLO("yolo26n.yaml")
        model.model = DetectionModel("yolo26n.yaml", nc=10, verbose=False)
        model.model.names = {digit: str(digit) for digit in range(10)}
        model.save(folder / f"{name}.pt")
    return folder


def test_finished_students_are_compared_without_training(write_params: Write, student_weights: Path) -> None:
    student = {"init": str(student_weights / "baseline.pt"), "train": AS_IT_IS}
    pair = {
        "student": "yolo26n",
        "teacher": "unknown",
        "distilled": str(student_weights / "distilled.pt"),
        "sha256": sha256(student_weights / "distilled.pt"),
    }
    params = preflight(write_params(students={"yolo26n": student}, pairs={"n-s": pair})).params
    prepare(params.data, DATASET_DIR)
    assert "is not known" in chosen(params)
    cells = baseline_cell("yolo26n", 0), distill_cell("n-s", 1.0, 0)
    for cell in cells:
        train_cell(params, cell)
    alone, taught = (load_record(cell.train_dir) for cell in cells)
    assert (alone.epochs, taught.epochs) == (0, 0)
    assert taught.weights_digest == digest_of(student_weights / "distilled.pt")
    assert (taught.identity.dis, taught.identity.teacher) == (None, "unknown")
    assert taught.gflops == alone.gflops > 0
    assert unlike_pairs([alone, taught]) == {}


def test_a_download_that_is_not_the_known_file_is_not_opened(write_params: Write, tmp_path: Path) -> None:
    """The file is put where a download would land; it would not be opened even if it were good."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/yolo26n.pt").write_bytes(b"anything")
    path = write_params(students={"yolo26n": {"init": "released"}})
    message = r"students.yolo26n.init: .*not the expected file: .*not 9b09cc8bf347"
    with pytest.raises(ParamsError, match=message):
        preflight(path)


def test_a_student_that_was_edited_after_the_choice_of_its_teacher_is_refused(write_params: Write) -> None:
    """DVC knows a pair's student by pair.json: it would store the training under the student of before."""
    validated("yolo26s", 0.3)
    params = preflight(write_params()).params
    prepare(params.data, DATASET_DIR)
    chosen(params)
    edited = preflight(write_params(students={"yolo26n": {"init": "scratch", "train": {"lr0": 0.1}}})).params
    message = "students.yolo26n: edited after pair n-s was made of it; run `dvc repro` again"
    with pytest.raises(ParamsError, match=message):
        train_cell(edited, distill_cell("n-s", 1.0, 0))


def test_the_fingerprint_follows_what_can_change_a_result(write_params: Write, teacher_weights: Path) -> None:
    from kdpipe.models.start_weights import source_of
    from kdpipe.stages.train import identify

    def fingerprint(teacher: bytes = b"teacher", dis: float = 1.0, **changes: object) -> str:
        params = preflight(write_params(sweep__dis=[dis], **changes)).params
        folder = PAIRS_DIR / "n-s"
        (folder / "seeds/0").mkdir(parents=True, exist_ok=True)
        (folder / "seeds/0/yolo26s.pt").write_bytes(teacher)
        (folder / "pair.json").write_text('{"teacher": "yolo26s"}')
        cell = distill_cell("n-s", dis, 0)
        source = source_of(params, cell)
        return identify(params, cell, source, source.path).fingerprint

    prepare(preflight(write_params()).params.data, DATASET_DIR)
    assert fingerprint() == fingerprint(validate__iou=0.5)
    found = [
        fingerprint(),
        fingerprint(teacher=b"other"),
        fingerprint(dis=2.0),
        fingerprint(train__epochs=3),
        fingerprint(students={"yolo26n": {"init": "scratch", "train": {"lr0": 0.1}}}),
    ]
    assert len(set(found)) == len(found)
    assert teacher_weights.exists()
