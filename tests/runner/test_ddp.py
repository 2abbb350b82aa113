"""Trainings on two GPUs, with two processes on the CPU in their place (see ddp_worker.py)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from kdpipe.cells.history import read_history
from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Data, Digits
from kdpipe.runner import ddp
from kdpipe.runner.methods import mgd
from kdpipe.runner.train import train
from kdpipe.yolo import inspect
from tests.ddp_losses import NAMES, measured
from tests.processes import wait_for
from tests.project import REPOSITORY
from tests.runner.test_methods import saved
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
    """Presses Ctrl-C after the first epoch, when its state is saved; its metrics are heard before."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        super().epoch(epoch, values, ended)
        wait_for(Path("work/state.pt").exists)
        raise KeyboardInterrupt


@pytest.mark.nightly
@pytest.mark.parametrize("method", [None, {"method": "mgd", "decay": {"stop": 0.5}}], ids=["l2", "mgd"])
def test_two_processes_train_one_student_and_continue_it(
    project: Path, teacher_weights: Path, method: dict[str, object] | None
) -> None:
    wanted = job(project, teacher_weights, epochs=EPOCHS, device=[0, 1], amp=False)
    wanted = replace(wanted, identity=replace(wanted.identity, method=method))
    stopped, heard = Stopping(), Heard()
    with pytest.raises(KeyboardInterrupt):
        train(wanted, project / "work", stopped, Console(quiet=True))
    assert stopped.epochs == [1]
    trained = train(wanted, project / "work", heard, Console(quiet=True))
    assert heard.epochs[-1] == trained.epochs == EPOCHS
    history = read_history(project / "work/history.csv")
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert [row["train/dis_loss"] > 0 for row in history] == [True, True, method is None]  # `stop`
    notes = [(project / f"work/learned-{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    assert all(sum(note.startswith("1 ") for note in its) == 1 for its in notes)  # it was continued
    assert len({*notes[0], *notes[1]}) == EPOCHS  # equal weights in both processes, also where they continue
    assert "continuing" not in (project / "work/train.log").read_text()
    assert str(inspect.inspect(trained.best).model) == "yolo26n"
    model = torch.load(trained.best, weights_only=False)["model"]
    assert not [name for name in model.state_dict() if "teacher" in name or "module." in name]


@pytest.mark.nightly
def test_two_processes_give_the_loss_of_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mgd, "MASKED", mgd.MASKED)  # `measured` sets it; masks are back after this test
    teacher = saved(project, "yolo26s")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run([*command, "-m", "tests.ddp_losses", str(teacher), str(project)], check=True)
    first, second = (torch.load(project / f"{rank}.pt") for rank in (0, 1))
    for name in NAMES:
        loss, gradient = measured(teacher, name, 1)
        assert loss > 0
        for its_loss, its_gradient in (first[name], second[name]):
            assert its_loss == pytest.approx(loss, rel=1e-4), name
            assert torch.nn.functional.cosine_similarity(its_gradient, gradient, dim=0) > 1 - 1e-5, name
            assert float(its_gradient.norm()) == pytest.approx(float(gradient.norm()), rel=1e-3), name


@pytest.mark.nightly
def test_a_mistake_of_one_process_is_said(project: Path) -> None:
    wanted = job(project, epochs=EPOCHS, device="0,1", amp=False, box=1e39)
    with pytest.raises(KdpipeError, match="diverged"):
        train(wanted, project / "work", Heard(), Console(quiet=True))
