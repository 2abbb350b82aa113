"""Tracking over HTTP: a real MLflow server, with sqlite or PostgreSQL behind it, that comes and goes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
import requests
from rich.console import Console

from kdpipe.cells.cell import Cell, baseline_cell
from kdpipe.cells.record import load_record
from kdpipe.params.schema import Tracking
from kdpipe.tracking import Deadline, LiveRun, RunStart, Store, finished_cells, publish_quietly, sync
from tests.processes import forkserver, wait_for
from tests.reported import finish

pytestmark = pytest.mark.slow
CELLS = [baseline_cell("yolo26n", seed) for seed in range(8)]
STEPS = [1, 2]
SECONDS = 5.0  # of a deadline
WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # which are many processes, for other work
Trouble = Callable[["Server"], AbstractContextManager[None]]


def begun(cell: Cell) -> RunStart:
    record, work = load_record(cell.train_dir), Path("work") / str(cell.seed)
    work.mkdir(parents=True, exist_ok=True)
    return RunStart(record.identity, record.environment, record.started, work)


def free_port() -> int:
    """A port that no other process is given by chance meanwhile: those that are begin at 32768."""
    while not is_free(port := 20_000 + secrets.randbelow(12_000)):
        pass
    return port


def is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(uri: str) -> bool:
    try:
        return requests.get(f"{uri}/health", timeout=2).ok
    except requests.RequestException:
        return False


def wait_for_answer(uri: str, log: Path) -> None:
    deadline = time.monotonic() + 300  # its imports take long beside other tests
    while not answers(uri):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)


@dataclass
class Server:
    """An `mlflow server` as a user starts it."""

    folder: Path
    database: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def tracking(self) -> Tracking:
        return Tracking(uri=f"http://127.0.0.1:{self.port}", experiment="test")

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.folder / "artifacts"), "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=os.environ | WITHOUT_JOBS
            )
        wait_for_answer(self.tracking.uri, self.folder / "server.log")

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        if self.process is not None:
            self.send(signal.SIGKILL)
            self.process.wait()
            self.process = None
        deadline = time.monotonic() + 30
        while not is_free(self.port):  # its workers end a moment later
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a fresh PostgreSQL database."""
    pytest.importorskip("psycopg", reason="needs psycopg")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [
        Path(shutil.which("pg_ctl") or "").parent
    ]
    if not (programs[-1] / "initdb").exists():
        pytest.skip("needs PostgreSQL (apt-get install postgresql)")
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    port = free_port()
    with TemporaryDirectory() as temporary:  # a test's own folder is closed to other users
        folder, data = Path(temporary), Path(temporary) / "data"
        if user:
            shutil.chown(folder, user)
        control = [str(programs[-1] / "pg_ctl"), "-D", str(data), "-w", "-s"]
        initdb = [str(programs[-1] / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=user)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        start = [*control, "-l", str(folder / "log"), "-o", options, "start"]
        subprocess.run(start, check=True, cwd=folder, user=user)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd=folder, user=user)


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder, f"sqlite:///{folder}/server.db")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def on_postgres(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), postgres)
    yield server
    server.stop()


@pytest.fixture
def server(on_sqlite: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    return emptied(on_sqlite)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.nightly)])
def either(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.chdir(tmp_path)
    return emptied(request.getfixturevalue(f"on_{request.param}"))


def emptied(server: Server) -> Server:
    """The server, running, without runs."""
    if not answers(server.tracking.uri):
        server.stop()
        server.start()
    store = Store(server.tracking)
    for run in store.client.search_runs([store.experiment_id]):
        store.client.delete_run(run.info.run_id)
    return server


def check_whole(server: Server, count: int = 1) -> None:
    """There is exactly one finished run per cell, with every step and its artifacts."""
    store = Store(server.tracking)
    runs = store.client.search_runs([store.experiment_id], "tags.stage != 'pipeline'")
    assert len({run.data.tags["cell"] for run in runs}) == len(runs) == count
    for run in runs:
        assert run.info.status == "FINISHED"
        history = store.client.get_metric_history(run.info.run_id, "train/box_loss")
        assert [metric.step for metric in history] == STEPS
        assert "record.json" in {file.path for file in store.client.list_artifacts(run.info.run_id)}


def test_a_server_has_what_the_records_say(either: Server) -> None:
    finish(CELLS[0], 0.4)
    assert sync(either.tracking, finished_cells(CELLS)).published == [CELLS[0].id]
    assert sync(either.tracking, finished_cells(CELLS)).published == []
    check_whole(either)


@pytest.mark.nightly
def test_many_processes_start_at_once(either: Server) -> None:
    check_writers(either.tracking)
    check_whole(either, len(CELLS))


@pytest.mark.nightly
def test_many_processes_start_at_once_on_a_fresh_sqlite_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracking = Tracking(uri="sqlite:///mlflow.db", experiment="test")
    check_writers(tracking)
    assert sync(tracking, finished_cells(CELLS), dry_run=True).published == []


def check_writers(tracking: Tracking) -> None:
    """Eight processes log a live run each and publish it, all beginning at the same moment."""
    for cell in CELLS:
        finish(cell, 0.4)
    context = forkserver()
    together = context.Barrier(len(CELLS), timeout=120)
    processes = [context.Process(target=write, args=(tracking, cell, together)) for cell in CELLS]
    for process in processes:
        process.start()
    for process in processes:
        process.join(180)
        assert process.exitcode == 0


def write(tracking: Tracking, cell: Cell, together: Barrier) -> None:
    console, deadline = Console(file=StringIO()), Deadline(120.0)  # eight at once on two cores
    together.wait()
    with LiveRun(tracking, begun(cell), console, deadline) as live:
        for epoch in STEPS:
            live.epoch(epoch, {"train/box_loss": 3.0 - epoch}, time.time())
    publish_quietly(tracking, cell, console, deadline)
    assert "warning" not in console.file.getvalue()


class Unavailable(BaseHTTPRequestHandler):
    """What a proxy answers while the server behind it is overloaded."""

    def answer(self) -> None:
        self.send_error(503)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def away(server: Server) -> Iterator[None]:
    server.stop()
    yield


@contextmanager
def hanging(server: Server) -> Iterator[None]:
    server.send(signal.SIGSTOP)
    yield
    server.stop()


@contextmanager
def failing(server: Server) -> Iterator[None]:
    server.stop()
    with ThreadingHTTPServer(("127.0.0.1", server.port), Unavailable) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        yield
        proxy.shutdown()


@pytest.mark.parametrize(
    "trouble", [away, *(pytest.param(one, marks=pytest.mark.nightly) for one in (hanging, failing))]
)
def test_trouble_in_the_middle_of_a_training_costs_nothing(
    server: Server, trouble: Trouble, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(CELLS[0], 0.4)
    record, console = load_record(CELLS[0].train_dir), Console(soft_wrap=True)
    deadline = Deadline(SECONDS)
    with ExitStack() as until_it_is_over:
        with LiveRun(server.tracking, begun(CELLS[0]), console, deadline) as live:
            live.epoch(1, {"train/box_loss": 2.5}, time.time())
            store = Store(server.tracking)
            wait_for(lambda: any(run.data.metrics for run in store.runs_of(record.fingerprint)))
            until_it_is_over.enter_context(trouble(server))
            began = time.monotonic()
            live.epoch(2, {"train/box_loss": 2.0}, time.time())
            assert time.monotonic() - began < 1
        publish_quietly(server.tracking, CELLS[0], console, deadline)
        assert time.monotonic() - began < SECONDS + 1
    assert f"MLflow at {server.tracking.uri}" in capsys.readouterr().out
    server.start()
    sync(server.tracking, finished_cells(CELLS))
    check_whole(server)


def test_a_server_that_comes_back_gets_the_epochs_that_it_missed(server: Server) -> None:
    finish(CELLS[0], 0.4)
    record = load_record(CELLS[0].train_dir)
    server.stop()
    deadline = Deadline(60.0)  # a server that has just started is slow at first
    with LiveRun(server.tracking, begun(CELLS[0]), Console(quiet=True), deadline) as live:
        live.epoch(1, {"train/box_loss": 2.5}, time.time())
        time.sleep(5)
        server.start()
        live.epoch(2, {"train/box_loss": 2.0}, time.time())
    store = Store(server.tracking)
    (run,) = store.runs_of(record.fingerprint)
    history = store.client.get_metric_history(run.info.run_id, "train/box_loss")
    assert [metric.step for metric in history] == STEPS
