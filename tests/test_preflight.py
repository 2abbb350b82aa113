from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.arguments import OWNED, ultralytics_arguments
from kdpipe.errors import ParamsError
from kdpipe.preflight import candidates, preflight
from tests.conftest import REPOSITORY

Write = Callable[..., Path]
SCRATCH = {"init": "scratch"}


def test_the_shipped_params_pass() -> None:
    preflight(REPOSITORY / "params.yaml")


@pytest.mark.parametrize(
    "preset", sorted((REPOSITORY / "pipelines/presets").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_preset_passes(preset: Path) -> None:
    preflight(preset)


def test_owned_arguments_are_arguments_of_ultralytics() -> None:
    assert OWNED.keys() - {"save_dir"} <= ultralytics_arguments()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__epohcs": 3}, "train.epohcs: no train argument of Ultralytics; did you mean 'epochs'?"),
        ({"train__epochs": "ten"}, "train.epochs: 'epochs=ten' is of invalid type str"),
        ({"train__mosaic": 2.0}, "train.mosaic: 'mosaic=2.0' is an invalid value"),
        ({"train__seed": 1}, "train.seed: kdpipe sets it; set sweep.seeds"),
        (
            {"train__distill_model": "x.pt"},
            "train.distill_model: kdpipe sets it; set the teacher under pairs",
        ),
        ({"train__cache": "disk"}, "train.cache: disk would write into DVC's copy"),
        ({"train__device": [0, 1]}, "train.device: a training uses one device"),
        ({"train__device": "0,1"}, "train.device: a training uses one device"),
        ({"train__batch": -1}, "train.batch: -1 lets each training choose"),
        ({"train__batch": 0.7}, "train.batch: 0.7 lets each training choose"),
        ({"train__batch": "auto"}, "train.batch: 'auto' lets each training choose"),
        ({"train__single_cls": True}, "train.single_cls: kdpipe sets it"),
        ({"validate__conf": 5.0}, "validate.conf: 'conf=5.0' is an invalid value"),
        ({"validate__max_det": 0}, "validate.max_det: 'max_det=0' is an invalid value"),
        ({"train__resume": True}, "train.resume: kdpipe sets it"),
        (
            {"students__yolo26n__train": {"dis": 1}},
            "students.yolo26n.train.dis: kdpipe sets it; set sweep.dis",
        ),
        ({"students": {"yolo27n": SCRATCH}}, "students.yolo27n: 'yolo27n' is no model that can be distilled"),
        (
            {"students": {"mine": {**SCRATCH, "model": "yolo26q"}}},
            "students.mine.model: 'yolo26q' is no model",
        ),
        ({"students": {"yolo26n-seg": SCRATCH}}, "take yolo26n"),
        ({"students__yolo26n__init": "none.pt"}, "students.yolo26n.init: 'none.pt' is neither scratch"),
        ({"train__epochs": 0}, "'epochs' must be >= 1"),
        (
            {"students__yolo26n": {"init": "released", "train": {"epochs": 0}}},
            "pairs.n-s.distilled: yolo26n is used as it is (epochs: 0), so nothing can be distilled into it",
        ),
        ({"pairs__n-s__distilled": "released"}, "pairs.n-s.distilled: a finished student compares with a"),
        ({"pairs__n-s__teacher": "unknown"}, "pairs.n-s.teacher: only a finished student"),
        ({"teachers__yolo26s__train": {"epochs": 0}}, "0 means `as it is`"),
        (
            {"teachers": {"yolo11s": SCRATCH}, "pairs__n-s__teacher": "yolo11s"},
            "pairs.n-s: yolo11s is of another",
        ),
        ({"teachers": {"yolo26n": SCRATCH}, "pairs__n-s__teacher": "yolo26n"}, "not larger than yolo26n"),
        (
            {"pairs__n-s__teacher": "yolo26m"},
            "pairs.n-s.teacher: 'yolo26m' is not under teachers; did you mean",
        ),
        ({"pairs__n-s__student": "yolo26x"}, "pairs.n-s.student: 'yolo26x' is not under students"),
        ({"pairs__n-s__teacher": []}, "pairs.n-s.teacher: write a name"),
        ({"pairs__n-s__teacher": 7}, "pairs.n-s.teacher: write a name"),
        (
            {"teachers": {"yolo26m": SCRATCH}, "pairs__n-s__teacher": "recommended"},
            "the recommended teacher of yolo26n is yolo26s; add it under teachers",
        ),
        ({"data__source": "nowhere"}, "data.source: "),
        ({"data__task": "classify"}, "data.task: 'classify'"),
        ({"data__digits__val": 0}, "data.digits.val: write at least 1"),
    ],
)
def test_a_mistake_is_said_before_any_work(
    write_params: Write, changes: dict[str, object], message: str
) -> None:
    path = write_params(**changes)
    with pytest.raises(ParamsError) as error:
        preflight(path)
    assert message in str(error.value)


def test_recommended_finds_the_teacher_by_its_architecture(write_params: Write) -> None:
    teachers = {"big": {"init": "scratch", "model": "yolo26s"}, "yolo26m": SCRATCH}
    params = preflight(write_params(teachers=teachers, **{"pairs__n-s__teacher": "recommended"}))
    assert candidates(params, params.pairs["n-s"]) == ["big"]
