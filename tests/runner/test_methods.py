"""Distillation methods: their losses, and trainings with each of them."""

from __future__ import annotations

import copy
import io
import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from kdpipe.cells.history import HISTORY_FILE, read_history
from kdpipe.models.methods import DISTRIBUTIONS, METHODS
from kdpipe.models.names import FAMILIES
from kdpipe.runner.job import Job
from kdpipe.runner.lean_teacher import make_lean
from kdpipe.runner.methods.decay import factor
from kdpipe.runner.methods.model import MethodModel
from kdpipe.runner.train import train
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.opening import rebuilding
from tests.project import REPOSITORY
from tests.runner.test_runner import Heard, job
from tests.runner.test_runner import project as project  # noqa: PLC0414 - a fixture

configure()
from ultralytics import YOLO  # noqa: E402
from ultralytics.cfg import get_cfg  # noqa: E402
from ultralytics.nn.distill_model import DistillationModel  # noqa: E402

SIZE, IMAGES = 96, 3
OF_FAMILY = [
    (family, method.name)
    for family in FAMILIES
    for method in METHODS.values()
    if family in method.families and not method.backbone
]


def model(name: str, seed: int) -> Any:
    torch.manual_seed(seed)
    built = YOLO(f"{name}.yaml").model
    built.args = get_cfg(overrides={"imgsz": SIZE, "dis": 2.0, "epochs": 10})
    return built


@pytest.fixture
def batch() -> dict[str, Any]:
    torch.manual_seed(7)
    return {
        "img": torch.rand(IMAGES, 3, SIZE, SIZE),
        "cls": torch.tensor([[0.0], [1.0], [2.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.3, 0.3, 0.2, 0.2], [0.6, 0.4, 0.5, 0.3]]),
        "batch_idx": torch.tensor([0.0, 1.0, 2.0]),
        "im_file": ["a.png", "b.png", "c.png"],
    }


def saved(folder: Path, name: str, seed: int = 1) -> Path:
    """A teacher that is sure of something here and there, as a trained one is."""
    teacher = model(name, seed)
    make_sure(teacher)
    torch.save({"model": teacher, "train_args": {"task": "detect"}}, folder / "teacher.pt")
    return folder / "teacher.pt"


def make_sure(teacher: Any) -> None:
    for head in (teacher.model[-1].cv3, getattr(teacher.model[-1], "one2one_cv3", [])):
        for level in head:
            level[-1].bias.data += 8.0


def together(teacher: Path, student: Any, **settings: Any) -> MethodModel:
    with rebuilding(teacher):
        found = MethodModel([str(teacher)], student, settings)
    make_lean(found, torch.float32, METHODS[settings["method"]].reads)
    return found.train()


def test_l2_is_ultralytics_own(tmp_path: Path, batch: dict[str, Any]) -> None:
    teacher = saved(tmp_path, "yolo26s")
    torch.manual_seed(3)
    with rebuilding(teacher):
        own = DistillationModel(str(teacher), model("yolo26n", 0)).train()
    mine = together(teacher, model("yolo26n", 0), method="l2")
    mine.projector.load_state_dict(own.projector.state_dict())
    found = {}
    for name, pair in (("own", own), ("mine", mine)):
        loss, items = pair(batch)
        loss.sum().backward()
        named = {key: value for key, value in pair.named_parameters() if not key.startswith("teacher_model")}
        found[name] = loss, items, {key: value.grad for key, value in named.items() if value.grad is not None}
    assert torch.allclose(found["own"][0], found["mine"][0], rtol=1e-4)
    assert found["own"][1].keys() == found["mine"][1].keys()
    assert found["own"][2].keys() == found["mine"][2].keys()
    for key, gradient in found["own"][2].items():
        assert torch.allclose(gradient, found["mine"][2][key], rtol=1e-3, atol=1e-4), key


@pytest.mark.parametrize(("family", "method"), OF_FAMILY)
def test_gradients_reach_student_and_projector_only(
    family: str, method: str, tmp_path: Path, batch: dict[str, Any]
) -> None:
    pair = together(saved(tmp_path, f"{family}s"), model(f"{family}n", 0), method=method)
    loss, items = pair(batch)
    assert torch.isfinite(loss).all()
    assert float(items["dis_loss"]) > 0
    loss[-1].backward()  # the distillation loss alone
    gradients = {name: value.grad for name, value in pair.named_parameters() if value.grad is not None}
    with_gradient = {name for name, gradient in gradients.items() if gradient.any()}
    assert any(name.startswith("student_model.model.0.") for name in with_gradient)
    assert not any(name.startswith("teacher_model") for name in with_gradient)
    for index in range(len(pair.projector)):
        assert any(name.startswith(f"projector.{index}.") for name in with_gradient), index


@pytest.mark.parametrize("method", ["predictions", "ld"])
def test_a_student_that_predicts_what_its_teacher_does_has_no_loss_left(
    method: str, tmp_path: Path, batch: dict[str, Any]
) -> None:
    """Of cross entropy, the entropy of the teacher's scores is left."""
    teacher = saved(tmp_path, "yolo11n")
    with rebuilding(teacher):
        student = YOLO(str(teacher)).model
    student.args = model("yolo11n", 0).args
    pair = together(teacher, student, method=method)
    pair.student_model.eval()  # as the teacher: normalisation with the same statistics
    with torch.no_grad():
        (lesson,), (outputs,) = pair.lessons, pair._seen(batch["img"])
        step = pair._step(batch, pair.student_model(batch["img"]), lesson, outputs)
    loss = float(lesson.loss(step))
    if method == "ld":
        assert loss == pytest.approx(0, abs=1e-5)
        return
    targets = step.branches[0].teacher["scores"].sigmoid()
    entropy = torch.nn.functional.binary_cross_entropy(targets, targets, reduction="sum")
    assert loss == pytest.approx(
        step.gains.cls * float(entropy / targets.amax(1).sum().clamp(min=1)), rel=1e-3
    )


@pytest.mark.parametrize("method", ["pkd", "cwd"])
def test_equal_features_have_no_loss(method: str) -> None:
    from kdpipe.runner.methods import loss_of

    features = [torch.rand(2, 8, 4, 4)]
    loss = loss_of({"method": method}, [(8, 8)])
    for part in loss.parts:
        part.forward = lambda given: given
    step = SimpleNamespace(student=features, teacher=[3 * features[0] + 1])  # whatever their scale
    assert float(loss(step)) == pytest.approx(0, abs=1e-5)


def test_of_several_teachers_the_losses_are_averaged(tmp_path: Path, batch: dict[str, Any]) -> None:
    (tmp_path / "m").mkdir()
    paths = saved(tmp_path, "yolo26s"), saved(tmp_path / "m", "yolo26m", seed=2)
    settings = {"method": "features+predictions"}
    with rebuilding(*paths):
        both = MethodModel([str(path) for path in paths], model("yolo26n", 0), settings)
    make_lean(both, torch.float32, METHODS[settings["method"]].reads)
    both.train()
    before = {name: value.clone() for name, value in both.student_model.state_dict().items()}
    found, _ = both(batch)
    found.sum().backward()
    assert all(teacher.training is False for teacher in both.teachers)
    assert all(weight.grad is not None for weight in both.projector.parameters())
    levels = len(both.projector) // 2
    alone = []
    for number, path in enumerate(paths):
        one = together(path, model("yolo26n", 0), **settings)
        one.student_model.load_state_dict(before)
        parts = both.projector[number * levels : (number + 1) * levels]
        one.projector.load_state_dict(parts.state_dict())
        alone.append(float(one(batch)[1]["dis_loss"].detach()))
    assert float(found[-1].detach()) / IMAGES == pytest.approx(sum(alone) / 2, rel=1e-5)
    both.teacher_model = None  # as in the moving average
    assert type(copy.deepcopy(both)) is DistillationModel


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_a_teacher_that_sees_larger_or_smaller_images(
    size: int, tmp_path: Path, batch: dict[str, Any]
) -> None:
    teacher = saved(tmp_path, "yolo26s")
    student, batch = model("yolo26n", 0), {**batch, "img": torch.rand(IMAGES, 3, 128, 128)}
    student.args.imgsz = 128
    pair = together(teacher, student, method="features+predictions", teacher_imgsz=size)
    loss, _ = pair(batch)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert loss[-1] > 0
    (lesson,), (outputs,) = pair.lessons, pair._seen(batch["img"])
    assert outputs["features"][0].shape[-1] == size // 8
    levels = {64: [(1, 0), (2, 1)], 128: [(0, 0), (1, 1), (2, 2)], 256: [(0, 1), (1, 2)], 512: [(0, 2)]}
    assert lesson.levels == levels[size]
    step = pair._step(batch, pair.student_model(batch["img"]), lesson, outputs)
    sizes = [[features.shape[2:] for features in side] for side in (step.student, step.teacher)]
    assert sizes[0] == sizes[1]
    places = sum(features.shape[2] * features.shape[3] for features in step.student)
    for branch in step.branches:
        assert branch.student["boxes"].shape[-1] == branch.teacher["boxes"].shape[-1] == places
    assert step.strides.tolist() == [[8, 16, 32][level] for level, _ in lesson.levels]


def test_masks_follow_from_epoch_and_images(tmp_path: Path, batch: dict[str, Any]) -> None:
    pair = together(saved(tmp_path, "yolo26s"), model("yolo26n", 0), method="mgd")

    def loss(epoch: int, **changes: Any) -> float:
        pair.begin(epoch, 10)
        torch.rand(1)  # another random state
        return float(pair({**batch, **changes})[1]["dis_loss"])

    assert loss(0) == loss(0)
    assert loss(0) != loss(1)
    assert loss(0) != loss(0, im_file=["d.png", "b.png", "c.png"])


def test_copies_and_checkpoints_are_of_ultralytics_class(tmp_path: Path, batch: dict[str, Any]) -> None:
    pair = together(saved(tmp_path, "yolo26s"), model("yolo26n", 0), method="features+predictions")
    pair(batch)
    pair.teacher_model = None  # as in the moving average
    duplicate = copy.deepcopy(pair)
    assert type(duplicate) is DistillationModel
    content = io.BytesIO()
    torch.save(duplicate, content)
    assert b"kdpipe" not in content.getvalue()


def test_the_weight_of_a_stopped_loss_is_none(tmp_path: Path, batch: dict[str, Any]) -> None:
    pair = together(
        saved(tmp_path, "yolo26s"), model("yolo26n", 0), method="predictions", decay={"stop": 0.5}
    )
    pair.begin(4, 10)
    assert float(pair(batch)[1]["dis_loss"]) > 0
    pair.begin(5, 10)
    assert float(pair(batch)[1]["dis_loss"]) == 0


@pytest.mark.parametrize(
    ("decay", "factors"),
    [
        ("constant", [1.0, 1.0, 1.0]),
        ("cosine", [1.0, 0.7525, 0.2575]),
        ("o2m", [1.0, 0.5625, 0.125]),
        ({"stop": 0.7}, [1.0, 1.0, 1.0]),
        ({"stop": 0.3}, [1.0, 0.0, 0.0]),
    ],
)
def test_decays(decay: Any, factors: list[float]) -> None:
    assert [factor(decay, epoch, 3) for epoch in range(3)] == pytest.approx(factors)


def test_o2m_is_the_weight_of_the_branch_that_trains_the_neck() -> None:
    student = model("yolo26n", 0)
    criterion = student.init_criterion()
    for epoch in range(10):
        assert factor("o2m", epoch, 10) == pytest.approx(criterion.o2m / 0.8)
        criterion.update()


def test_the_documented_table_is_that_of_the_code() -> None:
    assert METHODS["ld"].families == DISTRIBUTIONS == ("yolov8", "yolo11")
    rows = {}
    first, _, _ = (
        (REPOSITORY / "docs/methods.md").read_text().partition("<!-- benchmarks/methods.py: start -->")
    )
    for line in first.splitlines():
        if line.startswith("| `"):
            name, _, *row = (cell.strip(" `") for cell in line.strip("|").split("|"))
            rows[name] = row
    outputs = {"features": "features", "scores": "features, scores", "boxes": "features, scores, boxes"}
    assert rows == {
        method.name: [
            outputs[method.reads],
            f"{method.dis:g}",
            "all" if method.families == FAMILIES else ", ".join(method.families),
        ]
        for method in METHODS.values()
    }


class Stops(Heard):
    """A listener that interrupts a training after its first epoch."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        super().epoch(epoch, values, ended)
        raise KeyboardInterrupt


def state_of(work: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(work / "state.pt", weights_only=True)
    return {**content["model"], **{f"ema {name}": value for name, value in content["ema"].items()}}


def pickled_names(checkpoint: Path) -> set[str]:
    """What a checkpoint imports when it is opened. Its text may be anything, as it has git's message."""
    with zipfile.ZipFile(checkpoint) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        found = list(pickletools.genops(archive.read(name)))
    assert "STACK_GLOBAL" not in {code.name for code, _, _ in found}
    return {str(argument) for code, argument, _ in found if code.name == "GLOBAL"}


def check_resuming(wanted: Job, tmp_path: Path) -> None:
    """Train in one go, and with an interruption: the same to the last bit, and the student alone is left."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    result = train(wanted, whole, Heard(), Console(quiet=True))
    with pytest.raises(KeyboardInterrupt):
        train(wanted, parts, Stops(), Console(quiet=True))
    train(wanted, parts, Heard(), Console(quiet=True))
    expected, found = state_of(whole), state_of(parts)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    rows = read_history(whole / HISTORY_FILE)
    assert all(row["train/dis_loss"] > 0 and row["train/dis_gradient"] > 0 for row in rows)
    checkpoint = torch.load(result.best, weights_only=False)
    assert type(checkpoint["model"]).__name__ == "DetectionModel"
    assert not [name for name in checkpoint["model"].state_dict() if "teacher" in name or "projector" in name]
    named = pickled_names(result.best)
    assert any(name.startswith("ultralytics") for name in named)
    assert not [name for name in named if name.startswith("kdpipe")]


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "method"), [*(one for one in OF_FAMILY if one[0] != "yolov8"), ("yolov8", "ld")]
)
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    family: str, method: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    teacher = saved_of(f"{family}s", tmp_path)
    settings = {"method": method, "decay": "cosine"}
    wanted = job(project, teacher, epochs=2)
    identity = replace(wanted.identity, model=f"{family}n", method=settings)
    wanted = replace(wanted, identity=identity, start=f"{family}n.yaml")
    check_resuming(wanted, tmp_path)


def saved_of(name: str, folder: Path) -> Path:
    """An untrained teacher of the ten digits."""
    path = saved(folder, name)
    checkpoint = torch.load(path, weights_only=False)
    built = type(checkpoint["model"])(f"{name}.yaml", nc=10, verbose=False)
    built.names = {digit: str(digit) for digit in range(10)}
    make_sure(built)
    torch.save({**checkpoint, "model": built}, path)
    return path
