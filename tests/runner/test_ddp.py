"""Trainings on two GPUs, with two processes on the CPU in their place (see ddp_worker.py)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from rich.console import Console

from kdpipe.cells.history import read_history
from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Data, Digits
from kdpipe.runner import ddp
from kdpipe.runner.train import train
from kdpipe.yolo import inspect
from tests.project import REPOSITORY
from tests.runner.test_runner import Heard, job

pytestmark = pytest.mark.slow
EPOCHS = 3


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ddp, "WORKER", "tests.ddp_worker")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    digits = Digits(train=32, val=16, test=16, size=64)
    prepare(Data(source="digits", task="detect", digits=digits), tmp_path / "dataset")
    return tmp_path


class Stopping(Heard):
    """Presses Ctrl-C after the first epoch."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        super().epoch(epoch, values, ended)
        raise KeyboardInterrupt


def test_two_processes_train_one_student_and_continue_it(project: Path, teacher_weights: Path) -> None:
    wanted = job(project, teacher_weights, epochs=EPOCHS, device=[0, 1], amp=False)
    stopped, heard = Stopping(), Heard()
    with pytest.raises(KeyboardInterrupt):
        train(wanted, project / "work", stopped, Console(quiet=True))
    assert stopped.epochs == [1]
    trained = train(wanted, project / "work", heard, Console(quiet=True))
    assert heard.epochs[-1] == trained.epochs == EPOCHS
    assert [row["epoch"] for row in read_history(project / "work/history.csv")] == [1, 2, 3]
    assert "continuing" not in (project / "work/train.log").read_text()
    assert str(inspect.inspect(trained.best).model) == "yolo26n"
    model = torch.load(trained.best, weights_only=False)["model"]
    assert not [name for name in model.state_dict() if "teacher" in name or "module." in name]


def test_a_mistake_of_one_process_is_said(project: Path) -> None:
    wanted = job(project, epochs=EPOCHS, device="0,1", amp=False, box=1e39)
    with pytest.raises(KdpipeError, match="diverged"):
        train(wanted, project / "work", Heard(), Console(quiet=True))
