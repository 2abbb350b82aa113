from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path

from kdpipe.checks.preflight import preflight
from kdpipe.models.entries import candidates
from kdpipe.params.arguments import OPTIMIZERS, OWNED, ultralytics_arguments
from tests.conftest import REPOSITORY

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
    params = preflight(write_params(teachers=teachers, **{"pairs__n-s__teacher": "recommended"}))
    assert candidates(params, params.pairs["n-s"]) == ["big"]
