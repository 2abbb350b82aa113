"""Start weights that are selected from a teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kdpipe.models.names import parse
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.rebuild import MODELS, contents_of, rebuilt
from kdpipe.yolo.selection import save_selected, select, share_of

from ultralytics import YOLO  # isort: skip

configure()


def numbered(*shape: int) -> torch.Tensor:
    """Weights that say where they come from."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).view(shape)


def test_every_second_channel_of_a_teacher_that_is_twice_as_wide() -> None:
    larger = {"m.conv.weight": numbered(8, 4, 3, 3), "m.bn.weight": numbered(8)}
    smaller = {"m.conv.weight": numbered(4, 2, 3, 3), "m.bn.weight": numbered(4)}
    found = select(larger, smaller)
    assert torch.equal(found["m.conv.weight"], larger["m.conv.weight"][::2, ::2])
    assert torch.equal(found["m.bn.weight"], torch.tensor([0.0, 2.0, 4.0, 6.0]))


def test_halves_of_a_layer_remain_halves_whatever_the_ratio() -> None:
    larger = {"m.bn.weight": numbered(24)}
    found = select(larger, {"m.bn.weight": numbered(16)})["m.bn.weight"]
    assert (found[:8] < 12).all()
    assert (found[8:] >= 12).all()
    assert torch.equal(found[8:], found[:8] + 12)


def test_a_convolution_and_its_normalisation_are_taken_together() -> None:
    """A block of another kind may have layers of the same names."""
    larger = {"m.conv.weight": numbered(8, 4, 1, 1), "m.bn.weight": numbered(8), "n.bn.weight": numbered(8)}
    smaller = {"m.conv.weight": numbered(4, 2, 3, 3), "m.bn.weight": numbered(4), "n.bn.weight": numbered(4)}
    assert list(select(larger, smaller)) == ["n.bn.weight"]


def test_the_first_repetitions_are_taken_of_a_deeper_teacher() -> None:
    larger = {f"m.{index}.bn.weight": torch.full((4,), float(index)) for index in range(3)}
    found = select(larger, {f"m.{index}.bn.weight": numbered(2) for index in range(2)})
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "m.0.bn.weight": [0.0, 0.0],
        "m.1.bn.weight": [1.0, 1.0],
    }


def test_a_teacher_that_is_narrower_has_nothing() -> None:
    assert select({"m.bn.weight": numbered(2)}, {"m.bn.weight": numbered(4)}) == {}


EVERY = [
    (f"{family}{student}{suffix}", f"{family}{teacher}{suffix}")
    for family in ("yolov8", "yolo11", "yolo26")
    for suffix in ("", "-seg", "-pose", "-obb")
    for student, teacher in ("ns", "sm", "mx", "lx", "ss")
]


@pytest.mark.parametrize(
    ("student", "teacher"),
    [("yolo26n", "yolo26s"), *(pytest.param(*pair, marks=pytest.mark.nightly) for pair in EVERY)],
)
def test_the_teacher_of_each_recommended_pair_has_the_student(student: str, teacher: str) -> None:
    share = share_of(parse(student), parse(teacher))
    assert share.of_all > 0.95
    if student == teacher or parse(teacher).size != "m":  # whose blocks are of another kind
        assert share.tensors == share.of_tensors


def test_how_much_is_said() -> None:
    assert str(share_of(parse("yolo26n"), parse("yolo26s"))) == "708 of 708 tensors, 100 % of the weights"


@pytest.mark.parametrize(
    "task",
    [task if task == "detect" else pytest.param(task, marks=pytest.mark.nightly) for task in MODELS],
)
def test_the_file_is_a_checkpoint_of_the_student(task: str, tmp_path: Path) -> None:
    """Of the teacher's classes, and the rest does not depend on the random state."""
    suffix = {"detect": "", "segment": "-seg", "pose": "-pose", "obb": "-obb"}[task]
    given = {"data_kpt_shape": (4, 3)} if task == "pose" else {}
    teacher = MODELS[task](f"yolo26s{suffix}.yaml", nc=3, verbose=False, **given)
    teacher.names = {0: "a", 1: "b", 2: "c"}
    torch.save({"model": teacher, "train_args": {}}, tmp_path / "best.pt")
    files = [tmp_path / name for name in ("start.pt", "again.pt")]
    for file in files:
        torch.rand(1)  # another random state
        share = save_selected(parse(f"yolo26n{suffix}"), tmp_path / "best.pt", file)
    assert share.tensors == share.of_tensors
    student = YOLO(files[0])
    assert student.names == teacher.names
    assert student.task == task
    states = [rebuilt(file, contents_of(file)).state_dict() for file in files]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert torch.equal(
        states[0]["model.0.conv.weight"].float(),
        teacher.state_dict()["model.0.conv.weight"][::2].half().float(),
    )
