"""Trainings of other revisions, wherever in a git repository the project is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.project import Project, copy_of

pytestmark = pytest.mark.slow


@pytest.fixture(params=["DVC in the subfolder", "DVC above it"])
def subfolder(first_run: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    """A finished project in a folder of somebody's git repository, committed."""
    repository = tmp_path / "repository"
    project = copy_of(first_run, repository / "vision" / "kd")
    shutil.rmtree(project.folder / ".git")
    project.run("git", "init", "--quiet", str(repository))
    if request.param == "DVC above it":
        shutil.move(project.folder / ".dvc", repository / ".dvc")
    for command in (
        ["git", "config", "user.email", "test@example.com"],
        ["git", "config", "user.name", "test"],
        ["git", "add", "--all", str(repository)],
        ["git", "commit", "--quiet", "--message", "start"],
    ):
        project.run(*command)
    return project


@pytest.mark.nightly
def test_a_project_in_a_subfolder_has_revisions_and_experiments(subfolder: Project) -> None:
    (subfolder.folder / "mlflow.db").unlink()
    assert "nothing to train" in subfolder.run("kdpipe", "check").stdout
    for name in ("runs", "models"):
        shutil.rmtree(subfolder.folder / name)
    assert "0 runs" in subfolder.run("kdpipe", "sync", "--dry-run").stdout
    assert "3 runs would be" in subfolder.run("kdpipe", "sync", "--dry-run", "--rev", "HEAD").stdout
    subfolder.run("dvc", "checkout")
    subfolder.run("dvc", "exp", "run", "--temp", "--name", "again")
    assert (subfolder.folder / "mlflow.db").exists()
    assert not list(subfolder.folder.parents[1].glob("*.db"))
    assert not (subfolder.folder.parents[1] / ".kdpipe").exists()
    for name in ("runs", "models"):
        shutil.rmtree(subfolder.folder / name)
    (subfolder.folder / "mlflow.db").unlink()
    found = subfolder.run("kdpipe", "sync", "--experiments").stdout
    assert "3 runs brought up to date" in found
    assert (subfolder.folder / "mlflow.db").exists()
