"""One process writes the outputs of a stage, whoever was left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kdpipe.cells.running import claimed
from kdpipe.console import console
from kdpipe.paths import state_dir
from tests.processes import wait_for
from tests.project import REPOSITORY

LEFT_BEHIND = """
import sys, time
from kdpipe.cells.running import claimed
with claimed("validate@a", sys.argv[1]) as claim:
    open("claimed", "w").close()
    sys.stdin.readline()
    with claim.writing() as allowed:
        print(allowed)
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def start(fingerprint: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", LEFT_BEHIND, fingerprint],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(Path("claimed").exists)
    return process


def notes() -> list[Path]:
    return list((state_dir() / "running").glob("*.json"))


@pytest.mark.parametrize(("left", "here"), [("", ""), ("one", "other")])
def test_a_process_that_was_left_behind_ends(left: str, here: str) -> None:
    process = start(left)
    with console.capture() as captured, claimed("validate@a", here) as claim:
        assert not psutil.pid_exists(process.pid)
        assert process.communicate()[0] == ""
        with claim.writing() as allowed:
            assert allowed
    assert f"process {process.pid} of this stage was left behind" in captured.get()
    assert notes() == []


def test_one_that_does_the_same_training_goes_on_but_writes_no_outputs() -> None:
    process = start("one")
    with claimed("validate@a", "one") as claim:
        assert process.communicate("\n", timeout=60)[0] == "False\n"
        with claim.writing() as allowed:
            assert allowed
    assert notes() == []


def test_a_process_with_the_number_of_one_that_died_is_left_alone() -> None:
    process = start("")
    note = notes()[0]
    content = json.loads(note.read_text())
    note.write_text(json.dumps({**content, "created": content["created"] - 100}))
    with claimed("validate@a"):
        assert psutil.pid_exists(process.pid)
        assert process.poll() is None
    process.communicate("\n", timeout=60)


def test_other_stages_and_other_folders_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start("")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with claimed("validate@b"):
        assert process.poll() is None
    (tmp_path / "experiment").mkdir()
    monkeypatch.chdir(tmp_path / "experiment")
    with claimed("validate@a"):
        assert process.poll() is None
    assert process.communicate("\n", timeout=60)[0] == "True\n"
