"""Every method trains every task: YOLO26 here, older families in test_every_method_of_others.py.

Two files, so that two workers of pytest-xdist share them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.cells.history import HISTORY_FILE, read_history
from kdpipe.models.methods import METHODS
from kdpipe.models.tasks import TASKS
from tests.test_every_task import OWN_LOSS, tiny_yaml
from tests.walk import through
from tests.yolo.test_backbone import NAME, saved_backbone


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("task", OWN_LOSS)
def test_every_method_trains_every_task(task: str, write_params: Callable[..., Path], tmp_path: Path) -> None:
    train_every_method("yolo26", task, write_params, tmp_path)


def train_every_method(family: str, task: str, write_params: Callable[..., Path], tmp_path: Path) -> None:
    suffix, tiny = TASKS[task].suffix, "-tiny.yaml" if family == "yolo26" else ""
    student, teacher = ({"init": "scratch", "model": f"{family}{size}{suffix}{tiny}"} for size in "ns")
    methods = {method.name for method in METHODS.values() if family in method.families}
    names = {method: method.replace("+", "-") for method in methods}
    backbone = {"model": f"timm/{NAME}", "init": str(saved_backbone(tmp_path)), "train": {"epochs": 0}}
    teacher_of = {name: "backbone" if METHODS[name].backbone else "teacher" for name in methods}
    path = write_params(
        data__task=task,
        train__epochs=1,
        students={"student": student},
        teachers={"teacher": teacher, "backbone": backbone},
        pairs={
            name: {"student": "student", "teacher": teacher_of[method], "method": method}
            for method, name in names.items()
        },
    )
    path.with_name(f"yolo26{suffix}-tiny.yaml").write_text(tiny_yaml(task))
    results = through(path).results
    assert {item.method for item in results.best} == methods
    for method, name in names.items():
        [epoch] = read_history(Path(f"runs/distill/{name}/1.0/0/train/{HISTORY_FILE}"))
        # A teacher that has hardly trained is sure of no box.
        assert epoch["train/dis_loss"] > 0 or method == "ld", method
