"""What is said of a machine, and what of it makes a run fail."""

from __future__ import annotations

import subprocess
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.commands.doctor import BAD, GIB, GOOD, WARNING, Finding, examine
from tests.project import Project

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024


@pytest.fixture
def project(tmp_path: Path, write_params: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_params()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for command in ("git init -q", "dvc init -q"):
        subprocess.run(command.split(), check=True)
    return tmp_path


def findings() -> dict[str, Finding]:
    return {found.what: found for found in examine()}


@pytest.mark.usefixtures("project")
def test_a_machine_on_which_it_works() -> None:
    found = findings()
    assert list(found) == [
        *("versions", "python", "processor", "memory", "disk"),
        *("git", "params.yaml", "MLflow", "DVC remote", "scale"),
    ]
    assert BAD not in {one.level for one in found.values()}
    assert "Ultralytics 8." in found["versions"].says
    assert "GiB free" in found["memory"].says
    assert "will be created" in found["MLflow"].says
    assert found["DVC remote"] == Finding(
        "DVC remote", WARNING, "none: results are in .dvc/cache of this machine only"
    )
    assert found["git"].level == WARNING  # no commit yet
    assert "scale" in Project(Path.cwd()).run("kdpipe", "doctor").stdout
    assert not Path("mlflow.db").exists()


def test_what_would_fail_is_said_and_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (project / "params.yaml").open("a") as params:
        params.write("trian: {}\n")
    monkeypatch.setattr(
        "kdpipe.commands.doctor.shutil.disk_usage", lambda _: Usage(10 * GIB, 10 * GIB, GIB // 2)
    )
    found = findings()
    assert found["params.yaml"].level == found["disk"].level == BAD
    assert "trian: unknown key; did you mean 'train'?" in found["params.yaml"].says
    assert "MLflow" not in found
    answer = Project(project).run("kdpipe", "doctor", check=False)
    assert answer.returncode == 1
    assert "1 of these would make `dvc repro` fail" in answer.stdout


@pytest.mark.usefixtures("project")
def test_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = findings()["MLflow"]
    assert found.level == BAD
    assert "MLflow at http://127.0.0.1:9 is not available" in found.says
    assert "trainings run without it" in found.says


def test_a_remote_is_looked_for(project: Path) -> None:
    for arguments in (["add", "--default", "shelf", str(project / "shelf")], ["add", "other", "ssh://x/y"]):
        subprocess.run(["dvc", "remote", *arguments], check=True, capture_output=True)
    assert findings()["DVC remote"] == Finding("DVC remote", GOOD, f"shelf: {project / 'shelf'}")
    subprocess.run(["dvc", "remote", "default", "other"], check=True, capture_output=True)
    assert findings()["DVC remote"].level == WARNING


@pytest.mark.usefixtures("project", "no_network")
def test_weights_that_cannot_be_downloaded(write_params: Callable[..., Path]) -> None:
    write_params(students={"yolo26n": {"init": "released"}})
    found = findings()["downloads"]
    assert found.level == BAD
    assert found.says.startswith("students.yolo26n.init: yolo26n.pt is not here, and cannot be downloaded")
