"""Projects that tests run: clones of this repository with a tiny comparison."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests import warm

REPOSITORY = Path(__file__).parents[1]

TINY = {
    "data": {
        "source": "digits",
        "task": "detect",
        "digits": {"train": 32, "val": 16, "test": 16, "size": 64},
    },
    "students": {"yolo26n": {"init": "scratch"}},
    "teachers": {"yolo26s": {"init": "scratch", "train": {"epochs": 1}}},
    "pairs": {"n-s": {"student": "yolo26n", "teacher": "yolo26s"}},
    "sweep": {"dis": [1.0], "seeds": [0], "paired": []},
    "confirm": {"pairs": {}, "students": [], "paired": [], "seeds": []},
    "train": {"epochs": 2, "imgsz": 64, "batch": 16, "nbs": 16, "mosaic": 0.0, "device": "cpu"},
    "validate": {"splits": ["val", "test"], "batch": 16},
    "evaluate": {"resamples": 100},
    "export": {"formats": []},
    "tracking": {"uri": "sqlite:///mlflow.db", "experiment": "test"},
}
"""The smallest comparison: one pair, one dis, one seed."""

REAL_STUDENT = {"init": "scratch", "train": {"epochs": 4}}
"""For tests of a training that must last for some seconds."""

TINY_STUDENT = REAL_STUDENT | {"model": "tests/yolo26n-tiny.yaml"}


class Project:
    """A clone of this repository with tiny params, driven by the commands a user types."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        given = {
            "DVC_NO_ANALYTICS": "1",
            "KDPIPE_WARM": "0",  # a server for each project would take longer than it saves
            "PYTHONDONTWRITEBYTECODE": "",  # each process would compile kdpipe
            "PYTHONPATH": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        return os.environ | given

    @property
    def warm_environment(self) -> dict[str, str]:
        """With commands that start in milliseconds."""
        environment = self.environment
        return environment | {"PATH": f"{warm.folder()}{os.pathsep}{environment['PATH']}"}

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Run in the background, as the leader of a process group that can be killed whole."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run to its end."""
        answer = subprocess.run(
            command, cwd=self.folder, env=self.warm_environment, capture_output=True, text=True, check=False
        )
        if check and answer.returncode:
            pytest.fail(
                f"{' '.join(command)} exited with {answer.returncode}:\n{answer.stdout}\n{answer.stderr}"
            )
        return answer

    def edit(self, key: str, value: object) -> None:
        path = self.folder / "params.yaml"
        params = OmegaConf.load(path)
        OmegaConf.update(params, key, value, merge=False)
        OmegaConf.save(params, path)


def copy_repository(folder: Path) -> None:
    """The files that git would clone, with the changes that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)


def fresh_clone(folder: Path, *, real_models: bool = False) -> Project:
    """A clone with tiny params, nothing run yet; its models are tiny too if they are not to be real ones."""
    copy_repository(folder)
    shutil.rmtree(folder / "reports", ignore_errors=True)
    (folder / "dvc.lock").unlink(missing_ok=True)
    OmegaConf.save(OmegaConf.create(TINY), folder / "params.yaml")
    project = Project(folder)
    if not real_models:
        project.edit("students.yolo26n.model", TINY_STUDENT["model"])
        project.edit("teachers.yolo26s.model", "tests/yolo26s-tiny.yaml")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "config", "user.email", "test@example.com"],
        ["git", "config", "user.name", "test"],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message", "start"],
    ):
        project.run(*command)
    return project


def copy_of(first_run: Path, folder: Path) -> Project:
    """The clone after its first run; its runs are logged again by the next report."""
    shutil.copytree(first_run / "copy", folder)
    return Project(folder)
