from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.parallel.test_schedule import Dummies
from tests.project import REPOSITORY
from tests.test_cli import KDPIPE

pytestmark = pytest.mark.slow


@pytest.mark.nightly
def test_stages_run_with_the_python_of_the_command(tmp_path: Path) -> None:
    """`.venv/bin/kdpipe repro` needs no activated environment."""
    dummies = Dummies(tmp_path / "project")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("git", "sh"):
        (commands / name).symlink_to(shutil.which(name) or name)
    environment = dummies.environment | {
        "PATH": str(commands),
        "SHELL": str(commands / "sh"),
        "PYTHONPATH": str(REPOSITORY),
    }
    answer = subprocess.run(
        [KDPIPE, "repro", "prepare"],
        cwd=dummies.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 stage ran, 0 were up to date" in answer.stdout
    assert "end" in dummies.noted("prepare")
