"""Trainings that are not done yet, and processes that want the same one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdpipe.cells.history import History, read_history
from kdpipe.cells.work import alone_with, is_running, is_wanted, work_dir
from kdpipe.errors import ParamsError
from kdpipe.paths import state_dir
from kdpipe.yolo.device import check_device, gpus
from tests.processes import wait_for
from tests.project import REPOSITORY

SCRIPT = """
from kdpipe.cells.work import alone_with
with alone_with("a") as work:
    print((work / "best.pt").read_text())
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_whoever_waits_finds_what_was_trained() -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with alone_with("a") as work:
        work.mkdir(parents=True)
        (work / "best.pt").write_text("trained once")
        others = [
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        wait_for(lambda: len(list((state_dir() / "waiting/a").glob("*"))) == 1 + len(others))
    for process in others:
        assert "trained once" in process.communicate(timeout=300)[0]
    assert not is_wanted("a")
    assert not list((state_dir() / "waiting/a").glob("*"))


def test_after_an_error_the_folder_stays() -> None:
    with pytest.raises(KeyboardInterrupt), alone_with("a") as work:
        work.mkdir(parents=True)
        raise KeyboardInterrupt
    assert work_dir("a").exists()
    assert not is_running("a")


def test_a_mark_is_of_a_process_and_not_of_its_number() -> None:
    """Another process may have got the number of one that died waiting."""
    mark = state_dir() / "waiting/a" / str(os.getpid())
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert not is_wanted("a")
    assert not mark.exists()


@pytest.mark.parametrize("cut", ["2,4.0,", "2,4.", "2,4.0,0.", "2,\x00"])
def test_a_row_that_was_cut_short_stops_nobody(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(f"epoch,seconds,lr\n1,2.0,0.1\n{cut}")
    assert read_history(path)[0] == {"epoch": 1, "seconds": 2.0, "lr": 0.1}
    History(path, start_epoch=1)
    assert path.read_text().splitlines() == ["epoch,seconds,lr", "1,2.0,0.1"]


def test_a_device_that_is_not_there_is_said() -> None:
    with pytest.raises(ParamsError, match=r"train\.device: GPU 99 is not there: this .*; write auto"):
        check_device({"device": [0, 99]} if len(gpus()) else {"device": 99})
