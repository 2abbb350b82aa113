"""Trainings that ended, and that DVC does not know of: none of their epochs is trained again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from dvc.utils.serialize import load_yaml

from kdpipe.cells.history import read_history
from tests.processes import wait_for
from tests.project import REAL_STUDENT, TINY_STUDENT, Project, copy_of

pytestmark = pytest.mark.slow
STAGE, CELL = "baseline@yolo26n-0", "runs/baseline/yolo26n/0/train"
TAKEN = "this training is finished; its result is taken from"


class Kept(Project):
    """A project in which everything is up to date but a baseline, and that needs some epochs."""

    def ended(self) -> list[float]:
        """When each epoch of the baseline ended, from what DVC was given."""
        return [row["ended"] for row in read_history(self.folder / CELL / "history.csv")]

    def kept(self) -> list[Path]:
        return list(self.folder.glob(".kdpipe/work/*/finished"))

    def kept_epochs(self) -> list[float]:
        [folder] = self.kept()
        return [row["ended"] for row in read_history(folder / "history.csv")]

    def repro(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("dvc", "repro", *options, STAGE, check=check)

    def trains(self, epochs: int = 1) -> bool:
        """Whether a training has saved so many epochs."""
        return any(
            len(read_history(path)) >= epochs for path in self.folder.glob(".kdpipe/work/*/history.csv")
        )

    def trainers(self) -> list[psutil.Process]:
        """Processes of this project that train."""
        found = []
        for process in psutil.process_iter():
            try:
                if "pipelines.train" in process.cmdline() and Path(process.cwd()) == self.folder:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture
def project(first_run: Path, tmp_path: Path) -> Kept:
    project = Kept(copy_of(first_run, tmp_path / "project").folder)
    project.edit("students.yolo26n", REAL_STUDENT)
    return project


@pytest.mark.nightly
@pytest.mark.parametrize("at_once", [True, False])
def test_a_training_that_outlives_dvc_is_taken_by_the_next(project: Kept, *, at_once: bool) -> None:
    """SIGTERM, as a scheduler sends it, ends DVC alone."""
    running = project.start("dvc", "repro", STAGE)
    wait_for(project.trains)
    running.terminate()
    running.wait()
    if not at_once:
        wait_for(lambda: not project.trainers())
        assert project.kept()
    answer = project.repro()
    assert "continuing after" not in answer.stdout
    assert "epoch 1/4" not in answer.stdout
    assert TAKEN in answer.stdout
    assert ("waiting for what comes out" in answer.stdout) == at_once
    assert len(project.ended()) == 4
    assert project.kept_epochs() == project.ended()
    project.run("kdpipe", "clean", "--yes")
    assert not project.kept()
    assert "up to date" in project.run("dvc", "status", STAGE).stdout


@pytest.mark.nightly
def test_a_training_with_other_settings_ends_the_one_that_was_left_behind(project: Kept) -> None:
    running = project.start("dvc", "repro", STAGE)
    wait_for(project.trains)
    running.kill()
    running.wait()
    [left] = project.trainers()
    project.edit("students.yolo26n.train", {"epochs": 1})
    answer = project.repro()
    assert f"process {left.pid} of this stage was left behind" in answer.stdout
    assert not left.is_running()
    assert len(project.ended()) == 1


def test_what_is_said_of_it_while_it_runs_and_after_a_kill(project: Kept) -> None:
    running = project.start("dvc", "repro", STAGE)
    wait_for(project.trains)
    said = project.run("kdpipe", "status").stdout
    assert re.search(r"baseline/yolo26n/0 +running +\d of 4 +less than a minute", said)
    assert "1 of 3 trainings done, 1 running, 1 waiting; the time is not known yet" in said
    assert "provisional" not in said, "of this comparison nothing is evaluated"
    checked = project.run("kdpipe", "check").stdout
    assert "DVC is at work here: 1 of 3 trainings done" in checked
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    wait_for(lambda: not project.trainers())
    assert re.search(r"baseline/yolo26n/0 +interrupted +\d of 4", project.run("kdpipe", "status").stdout)
    assert "baseline/yolo26n/0 is training 2 of 3" in project.repro().stdout
    assert "2 of 3 trainings done, 1 waiting" in project.run("kdpipe", "status").stdout


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)])
def test_a_kill_between_the_end_and_the_commit_costs_nothing(project: Kept, number: int) -> None:
    running = project.start("dvc", "repro", STAGE)
    wait_for(project.kept)
    os.killpg(running.pid, number)
    running.wait()
    epochs = project.kept_epochs()
    assert TAKEN in project.repro().stdout
    assert project.ended() == epochs


@pytest.mark.nightly
def test_a_forced_run_trains_each_time(project: Kept) -> None:
    project.edit("students.yolo26n", TINY_STUDENT)
    project.repro()
    times = [project.ended()]
    for _ in range(2):
        answer = project.repro("--force", "--single-item")
        assert TAKEN not in answer.stdout
        assert "epoch 4/4" in answer.stdout
        times.append(project.ended())
    assert times[0][-1] < times[1][0] < times[1][-1] < times[2][0]
    project.run("dvc", "repro", f"validate_{STAGE}")
    assert not project.kept()  # the next stage has removed it


def test_a_cache_that_is_full_costs_nothing(project: Kept) -> None:
    """Everything that DVC wants to put there fails, and dvc.lock is written all the same."""
    project.edit("students.yolo26n", TINY_STUDENT)
    cache = project.folder / ".dvc/cache"
    cache.rename(project.folder / "away")
    (cache / "files/md5").mkdir(parents=True)
    for number in range(256):
        (cache / f"files/md5/{number:02x}").touch()
    project.repro("--single-item", check=False)
    epochs = project.kept_epochs()
    for path in (cache / "files/md5").iterdir():
        path.unlink()
    (project.folder / "away/files/md5").rename(cache / "files/md5.old")
    (cache / "files/md5").rmdir()
    (cache / "files/md5.old").rename(cache / "files/md5")
    assert TAKEN in project.repro("--single-item").stdout
    assert project.ended() == epochs
    assert "up to date" in project.run("dvc", "status", STAGE).stdout


@pytest.mark.nightly
def test_an_edit_while_a_stage_trains_is_refused_at_its_end(project: Kept) -> None:
    lock = project.folder / "dvc.lock"
    before = load_yaml(lock)["stages"].get(STAGE)
    running = subprocess.Popen(
        ["dvc", "repro", STAGE],
        cwd=project.folder,
        env=project.warm_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(project.trains)
    project.edit("students.yolo26n.train", {"epochs": 9})
    said = " ".join(running.communicate()[0].split())
    assert running.returncode
    assert "edited while this ran: params.yaml: students.yolo26n.train.epochs was 4 and is 9" in said
    assert load_yaml(lock)["stages"].get(STAGE) == before
    project.edit("students.yolo26n.train", {"epochs": 4})
    assert TAKEN in project.repro().stdout
    params = load_yaml(lock)["stages"][STAGE]["params"]["params.yaml"]
    assert params["students.yolo26n"] == REAL_STUDENT
    assert len(project.ended()) == 4


@pytest.mark.nightly
def test_two_experiments_that_need_one_training_train_it_once(project: Kept) -> None:
    """In folders of their own, as DVC's workers run them."""
    answers = [
        subprocess.Popen(
            ["dvc", "exp", "run", "--temp", "--name", name, STAGE],
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("one", "other")
    ]
    said = [answer.communicate()[0] for answer in answers]
    assert [answer.returncode for answer in answers] == [0, 0], said
    assert sum(text.count("epoch 1/4") for text in said) == 1, said
