"""Processes that want the same training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdpipe.paths import state_dir
from kdpipe.work import alone_with, is_running, work_dir
from tests.conftest import REPOSITORY, wait_for

SCRIPT = """
from kdpipe.work import alone_with
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
        wait_for(lambda: len(list((state_dir() / "waiting/a").glob("*"))) == len(others))
    for process in others:
        assert "trained once" in process.communicate(timeout=60)[0]
    assert not work.exists()


def test_after_an_error_the_folder_stays() -> None:
    with pytest.raises(KeyboardInterrupt), alone_with("a") as work:
        work.mkdir(parents=True)
        raise KeyboardInterrupt
    assert work_dir("a").exists()
    assert not is_running("a")


def test_who_died_waiting_is_not_waited_for() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    (state_dir() / "waiting/a").mkdir(parents=True)
    (state_dir() / "waiting/a" / ended.stdout.decode().strip()).touch()
    with alone_with("a") as work:
        work.mkdir(parents=True)
    assert not work.exists()
