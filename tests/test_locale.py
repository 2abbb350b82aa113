"""Files are UTF-8, and nothing fails, in whichever locale a stage runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import copy_of

pytestmark = pytest.mark.slow
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # else Python takes UTF-8 for C


def test_reports_are_the_same_in_ascii(first_run: Path, tmp_path: Path) -> None:
    project = copy_of(first_run, tmp_path / "project")
    reports = project.folder / "reports"
    before = (reports / "benchmark.md").read_bytes()
    assert any(byte > 127 for byte in before)
    for command in (
        [sys.executable, "-m", "pipelines.prepare"],
        [sys.executable, "-m", "pipelines.report"],
        [sys.executable, "-m", "pipelines.page"],
        ["kdpipe", "show"],
        ["kdpipe", "table"],
    ):
        answer = subprocess.run(
            command,
            cwd=project.folder,
            env=project.environment | ASCII,
            capture_output=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr.decode()
    assert (reports / "benchmark.md").read_bytes() == before
    for path in (reports / "index.html", project.folder / "README.md"):
        assert not path.read_bytes().decode("utf-8").isascii(), path
