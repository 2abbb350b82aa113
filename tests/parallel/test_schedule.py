"""Stages side by side on Ray: the same as one after another, whatever happens meanwhile."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import Any

import psutil
import pytest
from dvc.exceptions import DvcException
from dvc.utils.serialize import load_yaml
from omegaconf import OmegaConf

from benchmarks import made_up
from kdpipe.cells.cell import baseline_cell
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.parallel import guard
from kdpipe.parallel.cluster import LOST, MISSING, Machines, Need, RayCluster, _run
from kdpipe.parallel.dvc_stages import Pipeline
from kdpipe.parallel.resources import Needs
from kdpipe.parallel.schedule import _reason, repro
from kdpipe.params.load import load
from tests.processes import wait_for
from tests.project import REPOSITORY, TINY, Project

pytestmark = pytest.mark.slow
PATIENCE = 300  # seconds
TICKS = 15  # of a training, 0.1 s each
TRAININGS = [f"train@{name}-{seed}" for name in "ab" for seed in range(2)]


class Dummies(Project):
    """Four trainings on one data set, an evaluation of each, and a report, none of which learns anything."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir()
        self.marks = folder.parent / "marks"
        self.marks.mkdir()
        OmegaConf.save(OmegaConf.create(TINY), folder / "params.yaml")
        (folder / "names.yaml").write_text("names: {a: 1, b: 2}\n")
        shutil.copyfile(REPOSITORY / "tests/dummy_stage.py", folder / "stage.py")
        run, cell = "python stage.py", "${item.name}/${item.seed}"
        matrix = {"name": "${names}", "seed": [0, 1]}
        stages = {
            "prepare": {"cmd": f"{run} data/all 1 ../marks", "params": ["data"], "outs": ["data"]},
            "train": {
                "matrix": matrix,
                "cmd": f"{run} runs/{cell} {TICKS} ../marks",
                "deps": ["data"],
                "params": [{"names.yaml": ["names.${item.name}"]}],
                "outs": [f"runs/{cell}"],
            },
            "evaluate": {
                "matrix": matrix,
                "cmd": f"{run} eval/{cell} 1 ../marks",
                "deps": [f"runs/{cell}"],
                "outs": [f"eval/{cell}"],
            },
            "report": {"cmd": f"{run} report.txt 1 ../marks", "deps": ["eval"], "outs": ["report.txt"]},
        }
        OmegaConf.save(OmegaConf.create({"vars": ["names.yaml"], "stages": stages}), folder / "dvc.yaml")
        (folder / ".gitignore").write_text("/data\n/runs\n/eval\n/report.txt\n/.kdpipe\n")
        for command in ("git init -q", "dvc init -q", "git add -A"):
            self.run(*command.split())
        author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        self.run("git", *author, "commit", "-qm", "made up")

    @property
    def environment(self) -> dict[str, str]:
        """There is no code of kdpipe in this project."""
        given = super().environment
        return given | {"PYTHONPATH": f"{given['PYTHONPATH']}{os.pathsep}{REPOSITORY}"}

    def noted(self, stage: str) -> list[str]:
        path = self.marks / f"{stage}.marks"
        return path.read_text().splitlines() if path.exists() else []

    def trainings(self) -> dict[str, list[str]]:
        return {stage: self.noted(stage) for stage in TRAININGS}

    def hold(self, stages: Iterable[str]) -> None:
        """Let these end not before they are released, however long a machine takes to start another."""
        for stage in stages:
            (self.marks / f"{stage}.hold").touch()

    def release(self) -> None:
        for path in self.marks.glob("*.hold"):
            path.unlink()

    def run_unsaved(self, stage: str) -> None:
        """Run the command of a stage, as a driver that dies before it is committed."""
        pipeline = Pipeline(self.folder, [stage])
        command = pipeline.begin(pipeline.stages[0])
        assert command is not None
        assert _run(command, "1") == 0
        pipeline.close()

    def guards(self, stage: str = "") -> list[psutil.Process]:
        """What waits for a command of this project."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or [])
            if "guard.py" in line and f"{self.folder}/.kdpipe/stages/{stage}" in line:
                found.append(process)
        return found

    def under_way(self, count: int = 1) -> list[str]:
        """Trainings that have begun and not ended, once there are so many."""
        noted = self.trainings().items()
        found = [stage for stage, marks in noted if "tick" in marks and "end" not in marks]
        return found if len(found) >= count else []

    def interrupted(self) -> list[str]:
        return [stage for stage, marks in self.trainings().items() if "interrupted" in marks]

    def check_whole(self) -> None:
        """Everything was done once, nothing is left behind."""
        for stage, marks in self.trainings().items():
            assert marks.count("tick") == TICKS, f"{stage}: {marks}"
            assert "twice at once" not in marks
            assert marks.count("end") == 1
        assert "up to date" in self.run("dvc", "status").stdout
        assert not self.guards()
        assert "report.txt" not in (self.folder / ".dvc/tmp/rwlock").read_text()


@pytest.fixture
def dummies(tmp_path: Path) -> Dummies:
    return Dummies(tmp_path / "project")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Dummies:
    """After a run side by side."""
    dummies = Dummies(tmp_path_factory.mktemp("finished") / "project")
    assert "10 stages ran" in dummies.run("kdpipe", "repro", "--jobs", "2").stdout
    dummies.check_whole()
    return dummies


def test_the_lock_file_is_that_of_dvc_repro(finished: Dummies, dummies: Dummies) -> None:
    dummies.run("dvc", "repro")
    locks = [(project.folder / "dvc.lock").read_bytes() for project in (finished, dummies)]
    assert locks[0] == locks[1]


def test_nothing_runs_that_is_up_to_date_or_in_the_run_cache(finished: Dummies) -> None:
    assert "0 stages ran, 10" in finished.run("kdpipe", "repro").stdout
    for path in ("runs", "eval"):
        shutil.rmtree(finished.folder / path)
    (finished.folder / "dvc.lock").unlink()
    assert "0 stages ran, 10" in finished.run("kdpipe", "repro").stdout
    assert "up to date" in finished.run("dvc", "status").stdout
    by_hand = finished.folder / "runs/a/0"
    by_hand.unlink()
    by_hand.write_text("better numbers\n")
    assert "0 stages ran, 10" in finished.run("kdpipe", "repro").stdout
    assert by_hand.read_text() == "train@a-0\n"
    (finished.folder / "names.yaml").write_text("names: {a: 1, b: 5}\n")
    assert "2 stages ran, 3" in finished.run("kdpipe", "repro", "train").stdout


def test_a_stage_that_fails_fails_alone(dummies: Dummies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDPIPE_TEST_FAILS", "train@a-1")
    answer = dummies.run("kdpipe", "repro", "--jobs", "2", check=False)
    assert answer.returncode == 1
    said = answer.stdout[answer.stdout.index("stages ran") :]
    assert "failed train@a-1: there is no such teacher (exit code 3)" in said
    assert "skipped evaluate@a-1: it needs train@a-1" in said
    assert "skipped report: it needs train@a-1" in said
    lock = load_yaml(dummies.folder / "dvc.lock")["stages"]
    assert len(lock) == 1 + 3 + 3


@pytest.mark.nightly
def test_a_killed_worker_is_replaced_and_the_training_goes_on(dummies: Dummies) -> None:
    dummies.hold(TRAININGS)
    running = dummies.start("kdpipe", "repro", "--jobs", "2")
    wait_for(lambda: dummies.under_way(2))
    started = psutil.Process(running.pid).children(recursive=True)
    names = [(process, process.as_dict(["cmdline"])["cmdline"] or [""]) for process in started]
    workers = [process for process, (name, *_) in names if name.startswith("ray::train@")]
    assert len(workers) == 2
    workers[0].kill()
    wait_for(dummies.interrupted)
    dummies.release()
    assert running.wait(PATIENCE) == 0
    dummies.check_whole()
    starts = [sum(mark.startswith("start") for mark in marks) for marks in dummies.trainings().values()]
    assert sorted(starts) == [1, 1, 1, 2]


@pytest.mark.nightly
def test_a_killed_driver_leaves_what_was_finished_and_no_lock(dummies: Dummies) -> None:
    dummies.hold(TRAININGS[1:])
    running = dummies.start("kdpipe", "repro", "--jobs", "2")
    saved = wait_for(lambda: _trainings_in(dummies.folder / "dvc.lock"))
    wait_for(dummies.under_way)
    running.kill()
    running.wait()
    wait_for(lambda: not dummies.guards())
    dummies.release()
    (dummies.folder / ".dvc/tmp/rwlock").write_text("")  # as it may be, if just then it was being written
    dummies.run("kdpipe", "repro", "--jobs", "2")
    dummies.check_whole()
    for stage in saved:
        assert sum(mark.startswith("start") for mark in dummies.noted(stage)) == 1


def test_what_is_not_in_the_lock_file_yet_survives_a_kill(
    dummies: Dummies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dummies.folder)
    pipeline = Pipeline(dummies.folder, ["prepare"])
    pipeline._next_write = inf  # as after a slow write
    (stage,) = pipeline.stages
    command = pipeline.begin(stage)
    assert command is not None
    subprocess.run(command.lines[0].split(), cwd=command.cwd, env=command.env, check=True)
    assert pipeline.save([stage]) == {}
    assert not (dummies.folder / "dvc.lock").exists()
    pipeline._repo.close()  # nothing else is done
    again = Pipeline(dummies.folder, ["prepare"])
    assert again.begin(again.stages[0]) is None
    again.close()
    assert list(load_yaml(dummies.folder / "dvc.lock")["stages"]) == ["prepare"]


def _trainings_in(lock: Path) -> list[str]:
    try:
        stages = load_yaml(lock)["stages"]
    except (OSError, DvcException, KeyError, TypeError):  # not there yet, or just being written
        return []
    return [name for name in stages if name.startswith("train@")]


def test_a_second_one_is_refused_and_ctrl_c_stops_in_order(dummies: Dummies) -> None:
    dummies.hold(TRAININGS)
    running = dummies.start("kdpipe", "repro", "--jobs", "2")
    wait_for(lambda: dummies.under_way(2))
    answer = dummies.run("kdpipe", "repro", check=False)
    assert (answer.returncode, running.poll()) == (2, None)
    assert "another `kdpipe repro` or `tune` is running here" in answer.stderr
    begun = dummies.under_way(2)
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) == 130
    assert not dummies.guards()
    assert len(begun) == 2
    assert dummies.interrupted() == begun
    assert "changed" in dummies.run("dvc", "status").stdout


def test_a_stage_that_ended_while_nobody_waited_is_not_run_again(
    dummies: Dummies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver may die between the end of a training and its commit."""
    monkeypatch.chdir(dummies.folder)
    dummies.run_unsaved("prepare")
    again = Pipeline(dummies.folder, ["prepare"])
    assert again.begin(again.stages[0]) is None
    again.close()
    assert dummies.noted("prepare").count("end") == 1
    assert "prepare:" in (dummies.folder / "dvc.lock").read_text()


def test_an_output_of_another_run_is_not_taken_for_it(
    dummies: Dummies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a run that was not saved, params.yaml is edited, `dvc repro` run, and the edit undone."""
    monkeypatch.chdir(dummies.folder)
    dummies.run_unsaved("prepare")
    params = (dummies.folder / "params.yaml").read_text()
    edited = OmegaConf.merge(OmegaConf.create(params), {"data": {"digits": {"seed": 7}}})
    OmegaConf.save(edited, dummies.folder / "params.yaml")
    dummies.run("dvc", "repro", "prepare")
    (dummies.folder / "params.yaml").write_text(params)
    again = Pipeline(dummies.folder, ["prepare"])
    assert again.begin(again.stages[0]) is not None
    again.close()


@pytest.mark.nightly
def test_a_node_that_leaves_takes_nothing_with_it(dummies: Dummies, cluster: Any) -> None:
    dummies.hold(TRAININGS)
    node, _ = (cluster.add_node(num_cpus=1, memory=2**31) for _ in range(2))
    running = dummies.start("kdpipe", "repro", "--ray", cluster.address)
    wait_for(lambda: dummies.under_way(2))
    cluster.remove_node(node, allow_graceful=False)
    wait_for(dummies.interrupted)
    dummies.release()
    assert running.wait(PATIENCE) == 0
    dummies.check_whole()
    starts = sum(mark.startswith("start") for marks in dummies.trainings().values() for mark in marks)
    assert starts == 5  # one of the four was on that node


def test_a_cluster_that_cannot_work_is_refused(dummies: Dummies, cluster: Any) -> None:
    answer = dummies.run("kdpipe", "repro", "--ray", cluster.address, check=False)
    assert (answer.returncode, dummies.noted("prepare")) == (2, [])
    assert "has no machine with CPUs" in answer.stderr


@pytest.mark.nightly
def test_a_task_sees_its_gpu_and_its_cores_and_waits_for_memory(
    dummies: Dummies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dummies.folder)
    cluster = RayCluster(4, num_cpus=8, num_gpus=2, _memory=10 * 2**30)
    large: list[int] = []

    def working_on(stages: str) -> int:
        """How many of them, not how many processes, which a fork doubles for a moment."""
        return sum(bool(dummies.guards(f"{stages}-{seed}")) for seed in range(2))

    def need(stage: str) -> Need:
        return Need(gpus=1) if stage.startswith("train@a") else Need(memory=6 * 2**30)

    pipeline = Pipeline(dummies.folder, ["train"])
    try:
        outcome = repro(pipeline, cluster, need, lambda _: large.append(working_on("train@b")))
    finally:
        cluster.close()
        pipeline.close()
    assert not outcome.failed
    assert {dummies.noted(f"train@a-{seed}")[0] for seed in range(2)} == {"start 2 0", "start 2 1"}
    assert max(large) == 1


def test_what_a_training_takes(write_params: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = RayCluster(4)
    monkeypatch.setitem(cluster.__dict__, "machines", Machines(count=1, cpus=8, gpus=2, memory=2**30))
    wanted = Needs(load(write_params(train__device="auto")), cluster)
    assert wanted("baseline@yolo26n-0") == Need(gpus=0.5)
    assert wanted("validate_distill@n-s-1.0-0") == Need(gpus=0.5)
    assert wanted("evaluate_distill@n-s-1.0-0") == wanted("prepare") == Need()
    on_cpu = Needs(load(write_params(train__device="cpu", sweep__seeds=[0, 1])), cluster)
    assert on_cpu("baseline@yolo26n-1") == Need()
    done = baseline_cell("yolo26n", 0)
    done.train_dir.mkdir(parents=True)
    made_up.record_of(done, "yolo26n", "yolo26s", epochs=1).save(done.train_dir)
    assert on_cpu("baseline@yolo26n-1") == Need(memory=900 * 2**20)
    assert on_cpu("distill@n-s-1.0-0") == on_cpu("validate_baseline@yolo26n-0") == Need()
    done.train_dir.joinpath("record.json").unlink()
    two = Needs(load(write_params(train__device=[0, 1])), cluster)
    assert two("baseline@yolo26n-0") == Need(gpus=2)
    assert two("validate_baseline@yolo26n-0") == Need(gpus=0.5)
    for device, message in ((1, "counts its own GPUs from 0"), ([0, 1, 2], "a machine has 2")):
        with pytest.raises(ParamsError, match=message):
            Needs(load(write_params(train__device=device)), cluster)("baseline@yolo26n-0")


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdpipe.parallel.cluster.find_spec", lambda _: None)
    with pytest.raises(KdpipeError, match="Ray is not installed") as caught:
        RayCluster(2)
    assert str(caught.value) == MISSING


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:9", "Connection refused"), ("ray://no-such-host.invalid:10001", "not known|resolution")],
)
def test_a_cluster_that_is_not_there_is_said_at_once(address: str, reason: str) -> None:
    with pytest.raises(KdpipeError, match=f"^Ray at {address} cannot be used: .*({reason})"):
        RayCluster(2, address).machines  # noqa: B018


@pytest.mark.nightly
def test_a_killed_guard_is_replaced_and_its_training_goes_on(dummies: Dummies) -> None:
    dummies.hold(TRAININGS)
    running = dummies.start("kdpipe", "repro", "--jobs", "2")
    [stage, _] = wait_for(lambda: dummies.under_way(2))
    [guard] = dummies.guards(stage)
    guard.kill()
    wait_for(lambda: [found for found in dummies.guards(stage) if found.pid != guard.pid])
    dummies.release()
    assert running.wait(PATIENCE) == 0
    for marks in dummies.trainings().values():
        assert marks.count("tick") == TICKS
        assert "twice at once" not in marks
        assert "interrupted" not in marks
    assert "up to date" in dummies.run("dvc", "status").stdout


@pytest.mark.nightly
def test_ctrl_c_stops_what_a_killed_guard_left_behind(dummies: Dummies) -> None:
    dummies.hold(TRAININGS)
    running = dummies.start("kdpipe", "repro", "--jobs", "2")
    begun = wait_for(lambda: dummies.under_way(2))
    [guard] = dummies.guards(begun[0])
    guard.kill()
    wait_for(lambda: [found for found in dummies.guards(begun[0]) if found.pid != guard.pid])
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) == 130
    assert dummies.interrupted() == begun
    assert not dummies.guards()


def test_a_command_that_nobody_watches_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its guard was killed before it could be another process than the worker that ends with Ray."""
    monkeypatch.setattr(guard, "GRACE", 0.2)
    with (tmp_path / guard.LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        left = subprocess.Popen(["sleep", "60"], start_new_session=True, pass_fds=[lock.fileno()])
    (tmp_path / guard.COMMAND_FILE).write_text(f"{os.uname().nodename} {left.pid}")
    guard.wait_for_end(tmp_path)
    assert left.wait(10) == -signal.SIGINT


def test_why_a_stage_failed_is_said() -> None:
    assert _reason(3, "no such teacher") == "no such teacher (exit code 3)"
    assert _reason(-9, "epoch 1/2") == "killed by signal 9; the last line of its log: epoch 1/2"
    assert _reason(LOST, "epoch 1/2") == "what waits for its command was killed again and again"
    assert _reason("The worker died", "epoch 1/2") == "epoch 1/2 (The worker died)"


@pytest.mark.nightly
def test_a_cache_that_takes_nothing_fails_the_stage_and_costs_no_run(dummies: Dummies) -> None:
    cache = dummies.folder / ".dvc/cache/files/md5"
    cache.mkdir(parents=True)
    for number in range(256):
        (cache / f"{number:02x}").touch()
    answer = dummies.run("kdpipe", "repro", "prepare", check=False)
    assert answer.returncode == 1
    assert "failed prepare: DVC's cache could not take all outputs of prepare" in answer.stdout
    for path in cache.iterdir():
        path.unlink()
    dummies.run("kdpipe", "repro", "prepare")
    assert dummies.noted("prepare").count("end") == 1
    assert "up to date" in dummies.run("dvc", "status", "prepare").stdout


def test_files_of_dvc_that_were_cut_short_are_mended(finished: Dummies) -> None:
    lock, rwlock = finished.folder / "dvc.lock", finished.folder / ".dvc/tmp/rwlock"
    whole = lock.read_text()
    (finished.folder / ".kdpipe/dvc.lock").write_text(whole)
    rwlock.write_text('{"read')
    lock.write_text(whole[: len(whole) // 2])
    assert "mended: dvc.lock" in finished.run("kdpipe", "repro").stdout
    assert "up to date" in finished.run("dvc", "status").stdout


def test_a_conflict_in_the_lock_file_is_left_to_the_user(finished: Dummies) -> None:
    lock = finished.folder / "dvc.lock"
    whole = lock.read_text()
    (finished.folder / ".kdpipe/dvc.lock").write_text(whole)
    conflict = whole.replace("stages:", "<<<<<<< HEAD\nstages:\n=======\nstages:\n>>>>>>> other", 1)
    lock.write_text(conflict)
    answer = finished.run("kdpipe", "repro", check=False)
    assert answer.returncode != 0
    assert "dvc.lock" in answer.stderr
    assert lock.read_text() == conflict
    lock.write_text(whole)


def test_a_full_disk_does_not_end_a_guard_before_its_command(tmp_path: Path) -> None:
    """What it cannot write is for another guard only; a command says itself what it could not write."""
    program = shlex.join([sys.executable, guard.__file__, str(tmp_path), "token", "true"])
    with subprocess.Popen(
        ["sh", "-c", f"ulimit -f 0; {program}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as caller:
        assert caller.stdout is not None
        assert caller.stdout.read() == "0"
