"""Trainings that are killed, cut off from disk, data and memory: nothing before is lost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from rich.console import Console

from kdpipe.cells.history import read_history
from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Data, Digits
from kdpipe.runner import state
from kdpipe.runner.job import Job
from kdpipe.runner.train import train as train_job
from tests.processes import forkserver, wait_for
from tests.project import REPOSITORY
from tests.runner.test_runner import Heard, job

pytestmark = pytest.mark.slow
EPOCHS = 4
TIMES = ("seconds", "ended", "peak_memory_mib")
Train = Callable[..., "Forked"]


class Forked:
    """A training in a process of its own."""

    def __init__(self, wanted: Job, work: Path, prepare: Callable[[], object] = bool) -> None:
        context = forkserver()
        self._answer, answer = context.Pipe(duplex=False)
        self._process = context.Process(target=self._train, args=(wanted, work, prepare, answer))
        self._process.start()
        answer.close()

    @staticmethod
    def _train(wanted: Job, work: Path, prepare: Callable[[], object], answer: Any) -> None:
        prepare()
        heard = Heard()
        try:
            train_job(wanted, work, heard, Console(quiet=True))
            answer.send(heard.epochs)
        except (KdpipeError, OSError) as error:
            answer.send(error)

    def done(self) -> bool:
        return not self._process.is_alive()

    def wait_for(self, path: Path) -> None:
        while not path.exists():
            assert not self.done(), f"ended without {path.name}"
            time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def result(self) -> Any:
        """The epochs that it trained, or its error."""
        found = self._answer.recv()
        self._process.join()
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    digits = Digits(train=32, val=16, test=16, size=64)
    prepare(Data(source="digits", task="detect", digits=digits), folder / "dataset")
    return folder


@pytest.fixture(scope="module")
def train(project: Path, teacher_weights: Path) -> Train:
    def start(work: Path, prepare: Callable[[], object] = bool, **changes: object) -> Forked:
        # Mosaics are made of the images that were loaded before, which is state too.
        return Forked(job(project, teacher_weights, epochs=EPOCHS, mosaic=1.0, **changes), work, prepare)

    return start


@pytest.fixture(scope="module")
def uninterrupted(train: Train, project: Path) -> Path:
    work = project / "uninterrupted"
    assert train(work).result() == list(range(1, EPOCHS + 1))
    return work


def check_the_same(work: Path, uninterrupted: Path) -> None:
    """Every weight of the student and every number of the history, to the last bit."""
    found, expected = (torch.load(path / "best.pt", weights_only=False) for path in (work, uninterrupted))
    states = [checkpoint["model"].state_dict() for checkpoint in (found, expected)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    rows = [
        [{name: value for name, value in row.items() if name not in TIMES} for row in read_history(path)]
        for path in (work / "history.csv", uninterrupted / "history.csv")
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.nightly)])
def test_kills_at_any_instant_change_nothing(
    train: Train, project: Path, uninterrupted: Path, kills: int
) -> None:
    """After an epoch or so, half of them at a random moment, half while a checkpoint is being written."""
    work, chance = project / f"killed-{kills}", np.random.default_rng(kills)
    for kill in range(kills):
        before = _saved(work)
        process = train(work)
        while not process.done() and _saved(work) == before:
            time.sleep(0.001)
        moment = time.monotonic() + chance.uniform(0.0, 1.0)
        while not process.done() and (
            time.monotonic() < moment if kill % 2 else not list(work.glob("*.part"))
        ):
            pass
        finished = process.done()
        process.kill()
        if finished:  # once more from the beginning
            check_the_same(work, uninterrupted)
            shutil.rmtree(work)
    train(work).result()
    check_the_same(work, uninterrupted)


def _saved(work: Path) -> int:
    """When the newest state was written."""
    try:
        return (work / state.NEWEST).stat().st_mtime_ns
    except FileNotFoundError:  # the one before has been moved away, the new one is not there yet
        return 0


@pytest.mark.nightly
@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 half a file"])
def test_a_broken_checkpoint_is_noticed_and_the_one_before_used(
    train: Train, project: Path, uninterrupted: Path, broken: bytes
) -> None:
    work = project / "broken"
    shutil.rmtree(work, ignore_errors=True)
    process = train(work)
    process.wait_for(work / state.BEFORE)
    process.kill()
    before = torch.load(work / state.BEFORE, weights_only=True)["epochs"]
    (work / state.NEWEST).write_bytes(broken)
    assert train(work).result()[0] == before + 1
    assert "state.pt is broken" in (work / "train.log").read_text()
    check_the_same(work, uninterrupted)


@pytest.mark.nightly
def test_a_best_checkpoint_that_is_broken_does_not_fail_every_run(
    train: Train, project: Path, uninterrupted: Path
) -> None:
    """It has weights of epochs that no state can give back: the training begins again, and says so."""
    work = project / "broken-best"
    process = train(work)
    process.wait_for(work / state.BEFORE)
    process.kill()
    best = work / state.BEST_FILE
    best.write_bytes(best.read_bytes()[:1000])
    assert train(work).result() == list(range(1, EPOCHS + 1))
    check_the_same(work, uninterrupted)


@pytest.mark.nightly
def test_an_interrupt_is_continued(train: Train, project: Path, uninterrupted: Path) -> None:
    for attempt in range(3):  # an interrupt that came too late left nothing to do
        work = project / f"interrupted-{attempt}"
        process = train(work)
        process.wait_for(work / state.BEFORE)
        while not process.done():  # again, if it came where Python must ignore it, as within a destructor
            os.kill(process._process.pid, signal.SIGINT)
            process._process.join(1)
        rest = train(work).result()
        if rest:
            break
    assert rest[-1] == EPOCHS
    check_the_same(work, uninterrupted)


@pytest.mark.nightly
def test_a_full_disk_costs_the_epoch_that_could_not_be_kept(
    train: Train, project: Path, uninterrupted: Path
) -> None:
    """No file may grow beyond what a state takes, less a byte; the checkpoints before fit."""
    work = project / "full"
    process = train(work)
    process.wait_for(work / state.BEFORE)
    process.kill()
    size = (work / state.BEFORE).stat().st_size - 1
    error = train(work, partial(_limit, size)).result()
    assert isinstance(error, OSError)
    assert train(work).result()[-1] == EPOCHS
    check_the_same(work, uninterrupted)


def _limit(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.nightly
def test_a_data_set_that_vanishes_is_named(train: Train, project: Path, uninterrupted: Path) -> None:
    work, images = project / "vanished", project / "dataset/images/train"
    process = train(work)
    process.wait_for(work / state.NEWEST)
    images.rename(images.with_name("away"))
    try:
        error = process.result()
    finally:
        images.with_name("away").rename(images)
    assert isinstance(error, KdpipeError)
    assert "the data set changed during the training" in str(error)
    assert train(work).result()[-1] == EPOCHS
    check_the_same(work, uninterrupted)


@pytest.mark.nightly
def test_a_benchmark_that_is_killed_leaves_no_training(tmp_path: Path) -> None:
    benchmark = subprocess.Popen(
        [sys.executable, REPOSITORY / "benchmarks/train.py"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: list(tmp_path.rglob("output.log")))  # of a training that has begun
    started = psutil.Process(benchmark.pid).children()
    assert any("spawn_main" in word for process in started for word in process.cmdline())
    benchmark.kill()
    benchmark.wait()
    assert not psutil.wait_procs(started, timeout=20)[1]


@pytest.mark.parametrize(("most", "message"), [(4, "4 fits: write train.batch: 4"), (0, "even with batch 2")])
def test_running_out_of_memory_never_changes_the_batch(
    train: Train, project: Path, most: int, message: str
) -> None:
    """Memory for so many images is simulated by a model that refuses more."""
    error = train(project / f"memory-{most}", partial(_refuse, most)).result()
    assert isinstance(error, KdpipeError)
    assert "out of memory" in str(error)
    assert message in str(error)


def _refuse(most: int) -> None:
    from ultralytics.models.yolo.detect import DetectionTrainer

    exact = DetectionTrainer.preprocess_batch

    def preprocess_batch(self: Any, batch: dict[str, Any]) -> dict[str, Any]:
        if len(batch["img"]) > most:
            raise RuntimeError("CUDA out of memory.")
        return exact(self, batch)

    DetectionTrainer.preprocess_batch = preprocess_batch
