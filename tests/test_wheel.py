"""The wheel, installed elsewhere: a project in a folder of its own, from its first run to an upgrade.

The tests share one project and run in this order; each leaves it in the state the next starts from.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.project import REPOSITORY, TINY, Project, copy_repository

pytestmark = pytest.mark.slow


class Study(Project):
    """A project that runs an unpacked wheel, with the packages of this environment."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        super().__init__(folder)
        self.wheel = wheel

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"PYTHONPATH": str(self.wheel)}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        answer = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0 or not check, f"{answer.stdout}\n{answer.stderr}"
        return answer


def copied_by_the_dockerfile() -> list[str]:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    return [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the files that an image is built from, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    copy_repository(folder / "all")
    for name in copied_by_the_dockerfile():
        source, target = folder / "all" / name, folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    builder = shutil.which("uv")
    if builder is None:
        pytest.skip("uv, which builds the wheel, is not installed")
    subprocess.run(
        [builder, "build", "--quiet", "--wheel", "--out-dir", folder, folder / "source"], check=True
    )
    (built,) = folder.glob("*.whl")
    with ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture(scope="module")
def study(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A project in a folder of a repository, with spaces in its path."""
    repository = tmp_path_factory.mktemp("all my work")
    (repository / "README.md").write_text("Many things.\n")
    for command in (
        ["init", "--quiet"],
        ["config", "user.email", "test@example.com"],
        ["config", "user.name", "test"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "start"],
    ):
        subprocess.run(["git", *command], cwd=repository, check=True)
    Study(repository, wheel).run("kdpipe", "init", "studies/first one")
    return Study(repository / "studies/first one", wheel)


def test_nothing_of_the_repository_is_used(study: Study) -> None:
    where = study.run(
        sys.executable, "-c", "import kdpipe, pipelines; print(kdpipe.__file__, pipelines.__file__)"
    )
    kdpipe, pipelines = where.stdout.strip().split(".py ")
    assert kdpipe.startswith(str(study.wheel))
    assert pipelines.startswith(str(study.folder))
    assert "digits" in study.run("kdpipe", "preset").stdout


def test_one_command_does_it_all(study: Study) -> None:
    for key, value in TINY.items():
        study.edit(key, value)
    shutil.copyfile(REPOSITORY / "tests/yolo26-tiny.yaml", study.folder / "yolo26-tiny.yaml")
    study.edit("students.yolo26n.model", "yolo26n-tiny.yaml")
    study.edit("teachers.yolo26s.model", "yolo26s-tiny.yaml")
    assert "3 trainings to run" in study.run("kdpipe", "check").stdout
    study.run("dvc", "repro")
    assert "3 of 3 trainings done" in study.run("kdpipe", "status").stdout
    said = json.loads((study.folder / "reports/benchmark.json").read_text())
    assert said["answers"]
    assert json.loads(study.run("dvc", "status", "--json").stdout) == {}


def test_git_sees_the_project_and_nothing_else(study: Study) -> None:
    lines = study.run("git", "status", "--short", "--untracked-files=all").stdout.splitlines()
    names = {line[3:].strip('"') for line in lines}
    assert {"params.yaml", "dvc.yaml", "dvc.lock", "reports/benchmark.md"} <= names
    assert not [name for name in names if name.startswith(("runs/", "models/", "data/dataset", "mlflow"))]
    assert not [name for name in names if name.startswith("../")]


def test_an_upgrade_makes_stale_what_it_says(study: Study) -> None:
    newer = study.wheel / "kdpipe/template/pipelines/recipe.yaml"
    newer.write_text(newer.read_text().replace("VALIDATION: 3", "VALIDATION: 4"))
    answer = study.run("kdpipe", "check", check=False)
    assert answer.returncode
    assert "kdpipe init --upgrade" in answer.stdout + answer.stderr
    said = " ".join(study.run("kdpipe", "init", "--upgrade").stdout.split())
    assert "VALIDATION 3 -> 4: validate_teacher," in said
    stale = json.loads(study.run("dvc", "status", "--json").stdout)
    assert {name for name in stale if name.startswith("validate")} == {
        "validate_teacher@yolo26s",
        "validate_baseline@yolo26n-0",
        "validate_distill@n-s-1.0-0",
    }
    assert not [name for name in stale if name.split("@")[0] in ("prepare", "teacher", "baseline", "distill")]
