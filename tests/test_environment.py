"""What is said of a machine on which results cannot be traced, or stages cannot run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.repo import Repo

from kdpipe.environment import check_user, git_commit, git_problem, of_this_python, python_problem
from kdpipe.errors import KdpipeError
from kdpipe.tracking import finished_at
from tests.project import REPOSITORY
from tests.test_cli import KDPIPE

Write = Callable[..., Path]
SOMEBODY = 12345  # a user id without a name
NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with a commit, whatever this machine's git is told of owners."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LANGUAGE", "de")
    folder = tmp_path / "their repository"
    folder.mkdir()
    (folder / "reports").mkdir()
    for name in ("dvc.yaml", "dvc.lock", "reports/benchmark.md", "code.py"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-qm", "begin"]):
        subprocess.run(["git", *command], check=True)
    return folder


def links(folder: Path, *names: str) -> str:
    """A folder for PATH with these commands only."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


@pytest.mark.usefixtures("repository")
def test_a_commit_is_named() -> None:
    assert len(git_commit()) == 40
    assert git_problem() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, where a folder of the host belongs to a user of the host."""
    monkeypatch.delenv("SUDO_UID", raising=False)
    Repo.init().close()
    for path in (repository, repository / ".git"):
        os.chown(path, SOMEBODY, SOMEBODY)
    assert git_commit() == "none"
    with pytest.raises(KdpipeError, match=r"another user; run `git config --global --add safe\.directory"):
        list(finished_at("HEAD"))
    problem = git_problem()
    assert problem
    assert "belongs to another user" in problem
    remedy = problem.split("`")[1]
    assert remedy.startswith("git config --global --add safe.directory ")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(repository.parent / "config"))
    subprocess.run(["sh", "-c", remedy], check=True)
    assert git_problem() is None
    assert len(git_commit().removesuffix("-dirty")) == 40


def test_what_the_pipeline_writes_makes_no_commit_dirty(repository: Path) -> None:
    clean = git_commit()
    assert len(clean) == 40
    (repository / "dvc.lock").write_text("changed")
    (repository / "reports/benchmark.md").write_text("changed")
    (repository / "untracked").touch()
    assert git_commit() == clean
    (repository / "code.py").write_text("changed")
    assert git_commit() == f"{clean}-dirty"


@pytest.mark.usefixtures("repository")
def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit() == "none"
    assert "git is not installed" in (git_problem() or "")


def test_edits_are_kept_without_git(write_params: Write, tmp_path: Path) -> None:
    before = write_params().read_text()
    environment = {**os.environ, "PATH": links(tmp_path / "empty"), "PYTHONPATH": str(REPOSITORY)}
    command = [KDPIPE, "preset", "digits"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "params.yaml has edits that are not committed" in answer.stderr
    assert (tmp_path / "params.yaml").read_text() == before


def test_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run `git commit`" in (git_problem() or "")


def test_the_python_of_stages_is_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", here)
    assert python_problem() is None
    assert of_this_python({"PATH": here}) == {"PATH": here}
    monkeypatch.setenv("PATH", links(tmp_path / "empty"))
    problem = python_problem()
    assert problem
    assert problem.startswith(f"there is no `python` on PATH, not {sys.executable}")
    assert f"source {here}/activate" in problem
    assert of_this_python({"PATH": "/bin"}) == {"PATH": f"{here}{os.pathsep}/bin"}


def test_another_python_is_said_by_check_and_by_the_stage(write_params: Write, tmp_path: Path) -> None:
    """`.venv/bin/dvc repro` runs the `python` on PATH, not its own."""
    folder = write_params().parent
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, check=True)
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    path = os.pathsep.join([str(other / "bin"), links(tmp_path / "commands", "git", "sh")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    check = subprocess.run([KDPIPE, "check"], env=environment, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr
    assert f"warning: `python` is {other}/bin/python, not {sys.executable}" in check.stdout
    stage = ["sh", "-c", "python -m pipelines.prepare"]
    answer = subprocess.run(stage, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: {other}/bin/python does not have kdpipe's packages; activate")
    assert answer.stderr.count("\n") == 1


def test_a_user_without_name_or_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `docker run -u 12345`."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: SOMEBODY)
    with pytest.raises(KdpipeError, match=r"user 12345 has no name .*; run `export USER=kdpipe`"):
        check_user()
    monkeypatch.setenv("USER", "kdpipe")
    check_user()
    monkeypatch.delenv("HOME")
    with pytest.raises(KdpipeError, match=r"this user has no home folder.*run `export HOME=/tmp`"):
        check_user()


def may_be_somebody() -> bool:
    unshare = shutil.which("unshare")
    become = [unshare, "--user", f"--map-user={SOMEBODY}", "id", "-u"] if unshare else ["false"]
    answer = subprocess.run(become, capture_output=True, text=True, check=False)
    return answer.stdout.strip() == str(SOMEBODY)


@pytest.mark.skipif(not may_be_somebody(), reason="needs user namespaces")
def test_a_user_who_was_given_a_name(write_params: Write) -> None:
    """What such a process does, if it is given a name."""
    folder = write_params().parent
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, check=True)
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment |= {"PYTHONPATH": str(REPOSITORY), "USER": "kdpipe"}
    check = ["unshare", "--user", f"--map-user={SOMEBODY}", str(KDPIPE), "check"]
    answer = subprocess.run(check, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
