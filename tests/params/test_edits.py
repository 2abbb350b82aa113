"""Values that were edited while a stage used them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from kdpipe.errors import KdpipeError
from kdpipe.params.edits import Written
from tests.project import REPOSITORY

Write = Callable[..., Path]
RECIPE = Path("pipelines/recipe.yaml")


@pytest.fixture
def written(write_params: Write, tmp_path: Path) -> Written:
    write_params()
    shutil.copyfile(REPOSITORY / "dvc.yaml", tmp_path / "dvc.yaml")
    RECIPE.parent.mkdir(parents=True)
    shutil.copyfile(REPOSITORY / RECIPE, RECIPE)
    return Written()


def edit(key: str, value: object) -> None:
    params = OmegaConf.load("params.yaml")
    OmegaConf.update(params, key, value, merge=False)
    OmegaConf.save(params, "params.yaml")


@pytest.mark.parametrize(
    ("used", "key", "value", "said"),
    [
        (("baseline@yolo26n-0", "yolo26n"), "train.epochs", 9, "train.epochs was 2 and is 9"),
        (("baseline@yolo26n-0", "yolo26n"), "train.lr0", 0.1, r"train.lr0 was \(none\) and is 0.1"),
        (
            ("baseline@yolo26n-0", "yolo26n"),
            "students.yolo26n.train",
            {"lr0": 1},
            "students.yolo26n.train.lr0 was",
        ),
        (
            ("baseline@yolo26n-0", "yolo26n"),
            "students.yolo26n.init",
            "released",
            "init was scratch and is released",
        ),
        (
            ("teacher@yolo26s", "yolo26s"),
            "teachers.yolo26s.train.epochs",
            5,
            "teachers.yolo26s.train.epochs was 1",
        ),
        (("distill@n-s-1.0-0", "n-s"), "data.task", "obb", "data.task was detect and is obb"),
        (("validate_teacher@yolo26s", "yolo26s"), "validate.iou", 0.1, "validate.iou was"),
        (
            ("evaluate_distill@n-s-1.0-0", "n-s"),
            "evaluate.resamples",
            5,
            "evaluate.resamples was 100 and is 5",
        ),
        (("pick_teacher@n-s", "n-s"), "pairs.n-s.teacher", "yolo26l", "pairs.n-s.teacher was yolo26s"),
        (("prepare", ""), "data.digits.train", 64, "data.digits.train was 32 and is 64"),
        (("report", ""), "tracking.experiment", "other", "tracking.experiment was test and is other"),
        (("page", ""), "sweep.dis", [1.0, 2.0], r"sweep.dis was \[1.0\] and is \[1.0, 2.0\]"),
    ],
)
def test_what_a_stage_used_may_not_change(
    written: Written, used: tuple[str, str], key: str, value: object, said: str
) -> None:
    written.refuse_edits(*used)
    edit(key, value)
    with pytest.raises(
        KdpipeError, match=f"edited while this ran: params.yaml: .*{said}.*run `dvc repro` again"
    ):
        written.refuse_edits(*used)


@pytest.mark.parametrize(
    ("used", "key", "value"),
    [
        (("baseline@yolo26n-0", "yolo26n"), "sweep.seeds", [0, 1]),
        (("baseline@yolo26n-0", "yolo26n"), "students.other", {"init": "scratch"}),
        (("baseline@yolo26n-0", "yolo26n"), "validate.iou", 0.1),
        (("validate_teacher@yolo26s", "yolo26s"), "train.epochs", 9),
        (("prepare", ""), "train.epochs", 9),
    ],
)
def test_what_it_did_not_use_may(written: Written, used: tuple[str, str], key: str, value: object) -> None:
    edit(key, value)
    written.refuse_edits(*used)


def test_the_recipe_is_a_parameter_too(written: Written) -> None:
    text = RECIPE.read_text()
    RECIPE.write_text(f"{text}\n# a comment\n")
    written.refuse_edits("teacher@yolo26s", "yolo26s")
    RECIPE.write_text(text.replace("TRAINING: 1", "TRAINING: 7"))
    with pytest.raises(KdpipeError, match=r"recipe.yaml: TRAINING was 1 and is 7"):
        written.refuse_edits("teacher@yolo26s", "yolo26s")


def test_a_file_that_cannot_be_read_any_more_counts_as_edited(written: Written) -> None:
    Path("params.yaml").write_text("train: [")
    with pytest.raises(
        KdpipeError, match=r"params.yaml was edited while this ran, and cannot be read any more"
    ):
        written.refuse_edits("teacher@yolo26s", "yolo26s")


def test_every_stage_has_parameters_that_are_watched(written: Written) -> None:
    stages = OmegaConf.to_container(OmegaConf.load(REPOSITORY / "dvc.yaml"))["stages"]
    assert all(written._used[kind] for kind in stages)
