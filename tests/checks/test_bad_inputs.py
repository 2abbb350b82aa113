"""Each bad input ends in one clear message and the right exit code, and nothing is lost.

The table of all that were tried is printed at the end of the test run (see conftest.py).
"""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from kdpipe import cli
from kdpipe import console as terminal
from pipelines import prepare
from tests.bad_inputs import BAD_INPUTS, Bad
from tests.project import REPOSITORY
from tests.test_cli import KDPIPE

Write = Callable[..., Path]
Record = Callable[[str, object], None]
USAGE_ERROR, FAILED = 2, 1


def contents(folder: Path) -> dict[str, str]:
    """Every file of the user, with its digest."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".kdpipe" not in path.parts)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def check_message(text: str, expected: str, record: Record) -> None:
    """One message, which says what it must, without a traceback."""
    assert text.startswith("error: ")
    assert text.count("error: ") == 1
    assert "Traceback" not in text
    assert expected in text
    record("bad input", text.removeprefix("error: ").strip())


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.what)
def test_a_bad_input(
    bad: Bad, write_params: Write, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    folder = write_params().parent
    write_params(**bad.arrange(folder))
    before = contents(folder)
    said = io.StringIO()
    monkeypatch.setattr(terminal, "errors", Console(file=said, soft_wrap=True))
    monkeypatch.setattr(sys, "argv", ["kdpipe", "check"])
    with pytest.raises(SystemExit) as end:
        cli.main() if bad.stage == "check" else prepare.main()
    assert end.value.code == USAGE_ERROR
    check_message(said.getvalue(), bad.message, record_property)
    assert contents(folder) == before


def run(
    *command: str,
    cwd: Path,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=before,
    )


def check_ended(answer: subprocess.CompletedProcess[str], code: int, message: str, record: Record) -> None:
    assert answer.returncode == code
    check_message(answer.stderr, message, record)


CHECK = (str(KDPIPE), "check")
PREPARE = (sys.executable, "-m", "pipelines.prepare")


def test_no_params(tmp_path: Path, record_property: Record) -> None:
    check_ended(run(*CHECK, cwd=tmp_path), USAGE_ERROR, "params.yaml: (file): not found in", record_property)


@pytest.mark.parametrize(
    ("text", "message"), [("data: [", "not readable as YAML"), ("7", "must be a mapping")]
)
def test_params_that_are_none(tmp_path: Path, record_property: Record, text: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    check_ended(run(*CHECK, cwd=tmp_path), USAGE_ERROR, message, record_property)


def test_no_repository(write_params: Write, record_property: Record) -> None:
    folder = write_params().parent
    check_ended(run(*CHECK, cwd=folder), USAGE_ERROR, "`dvc status` failed", record_property)


def test_a_package_of_a_wrong_version(write_params: Write, tmp_path: Path, record_property: Record) -> None:
    folder = write_params().parent
    old = tmp_path / "site" / "ultralytics_opencv_headless-8.3.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ultralytics-opencv-headless\nVersion: 8.3.0\n"
    )
    path = {"PYTHONPATH": f"{old.parent}:{REPOSITORY}"}
    answer = run(*CHECK, cwd=folder, environment=path)
    check_ended(answer, USAGE_ERROR, "ultralytics-opencv-headless 8.3.0 is installed", record_property)


def test_a_wrong_python(tmp_path: Path, record_property: Record) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "constraints.txt").touch()
    python = tmp_path / "python3.10"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    answer = subprocess.run(
        ["make", "run", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == USAGE_ERROR
    assert "kdpipe needs Python 3.11 or newer; run: make PYTHON=python3.11 run" in answer.stdout
    record_property("bad input", answer.stdout.strip().splitlines()[0])


@pytest.mark.usefixtures("no_network")
def test_no_network(write_params: Write, record_property: Record) -> None:
    folder = write_params(data={"source": "coco8.yaml", "task": "detect"}).parent
    answer = run(*PREPARE, cwd=folder)
    check_ended(answer, USAGE_ERROR, "coco8.yaml is not here, and cannot be downloaded", record_property)


def test_no_space_on_disk(write_params: Write, record_property: Record) -> None:
    folder = write_params().parent

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    answer = run(*PREPARE, cwd=folder, before=full)
    check_ended(answer, FAILED, "File too large; make room there", record_property)


def test_a_folder_that_is_closed(write_params: Write, record_property: Record) -> None:
    folder = write_params().parent
    folder.chmod(0o555)
    drop_bound, may_write_anywhere = 24, 1  # of Linux' prctl(2) and capabilities(7): what root may
    as_others = partial(ctypes.CDLL(None).prctl, drop_bound, may_write_anywhere, 0, 0, 0)
    answer = run(*CHECK, cwd=folder, before=as_others if os.geteuid() == 0 else None)
    folder.chmod(0o755)
    check_ended(answer, FAILED, "Permission denied", record_property)


def test_a_file_in_the_place_of_a_folder(write_params: Write, record_property: Record) -> None:
    folder = write_params().parent
    (folder / ".kdpipe").write_text("")
    check_ended(run(*CHECK, cwd=folder), FAILED, "kdpipe must be able to write there", record_property)


def test_what_is_no_mistake(write_params: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with a space and an umlaut, a detached head, another working directory."""
    place = tmp_path / "größe und maß"
    place.mkdir()
    shutil.copy(write_params(), place)
    monkeypatch.chdir(place)
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for command in (
        ["git", "init", "--quiet"],
        [sys.executable, "-m", "dvc", "init", "--quiet"],
        ["git", *me, "commit", "--quiet", "--message", "begin"],
        ["git", "checkout", "--quiet", "--detach"],
    ):
        subprocess.run(command, check=True)
    shutil.copy(REPOSITORY / "dvc.yaml", place)
    for name in ("pipelines", "kdpipe"):
        shutil.copytree(REPOSITORY / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "data").mkdir()
    answer = run(*CHECK, cwd=place / "data")
    assert answer.returncode == 0, answer.stderr
    assert "params.yaml is valid" in answer.stdout
