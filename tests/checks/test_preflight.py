from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.checks.preflight import preflight
from kdpipe.errors import KdpipeError
from kdpipe.models.entries import candidates
from kdpipe.params.arguments import OPTIMIZERS, OWNED, ultralytics_arguments
from tests.project import REPOSITORY

Write = Callable[..., Path]
SCRATCH = {"init": "scratch"}


def test_the_shipped_params_pass() -> None:
    preflight(REPOSITORY / "params.yaml")


def test_owned_arguments_are_arguments_of_ultralytics() -> None:
    assert OWNED.keys() - {"save_dir"} <= ultralytics_arguments().keys()


def test_optimizers_are_those_of_ultralytics() -> None:
    from ultralytics.engine.trainer import BaseTrainer

    source = inspect.getsource(BaseTrainer.build_optimizer)
    listed = re.search(r"optimizers = ({.*?})", source)
    assert listed
    assert ast.literal_eval(listed[1]) == set(OPTIMIZERS)


def test_recommended_finds_the_teacher_by_its_architecture(write_params: Write) -> None:
    teachers = {"big": {"init": "scratch", "model": "yolo26s"}, "yolo26m": SCRATCH}
    params = preflight(write_params(teachers=teachers, **{"pairs__n-s__teacher": "recommended"})).params
    assert candidates(params, params.pairs["n-s"]) == ["big"]


def test_all_mistakes_are_told_at_once(write_params: Write) -> None:
    path = write_params(trian={}, sweep__dis=[0, 1.0], train__epocs=3, **{"pairs__n-s__teacher": "yolo26x"})
    with pytest.raises(KdpipeError) as said:
        preflight(path)
    lines = str(said.value).splitlines()
    assert lines[0] == "4 problems in params.yaml:"
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        "trian",
        "sweep.dis",
        "train.epocs",
        "pairs.n-s.teacher",
    ]
    assert "did you mean 'train'?" in lines[1]
    assert "did you mean 'epochs'?" in lines[3]


def test_several_broken_checkpoints_are_told_at_once(write_params: Write, tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(b"no checkpoint")
    path = write_params(students__yolo26n__init="a.pt", teachers__yolo26s__init="b.pt")
    with pytest.raises(KdpipeError, match=r"2 problems in params\.yaml") as said:
        preflight(path)
    assert "students.yolo26n.init: " in str(said.value)
    assert "teachers.yolo26s.init: " in str(said.value)


def test_values_that_an_older_kdpipe_has_passed_are_checked_again(
    write_params: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, checked = write_params(), []
    preflight(path)
    monkeypatch.setattr("kdpipe.yolo.arguments.value_problems", lambda *given: checked.append(given) or [])
    preflight(path)
    assert checked == []
    monkeypatch.setattr("kdpipe.checks.passed.__version__", "0.0.1")
    preflight(path)
    assert checked
