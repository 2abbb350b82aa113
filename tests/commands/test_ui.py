"""`kdpipe ui`, as a user starts it, and as a web page elsewhere tries to read it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from kdpipe.commands.ui import serve
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Tracking
from kdpipe.tracking import Store, finished_cells, sync
from tests.reported import finish
from tests.test_cli import KDPIPE
from tests.tracking.test_server import CELLS, free_port, wait_for_answer

pytestmark = pytest.mark.slow
Write = Callable[..., Path]


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [str(KDPIPE), "ui", "--port", str(port)]
    with (folder / "ui.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}", folder / "ui.log")
        yield port, process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_it_listens_on_this_machine_only(write_params: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says; and it is one process, not one per core and more for jobs."""
    monkeypatch.setenv("MLFLOW_HOST", "0.0.0.0")  # noqa: S104
    with served(write_params().parent) as (port, process):
        assert listening(port) == {"127.0.0.1"}
        mlflow, server, *others = psutil.Process(process.pid).children(recursive=True)
        assert ("ui" in mlflow.cmdline(), "uvicorn" in server.cmdline(), others) == (True, True, [])


def test_a_port_in_use_is_said_at_once(
    write_params: Write, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(write_params().parent)
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        with pytest.raises(KdpipeError) as caught:
            serve(Tracking(experiment="test"), port)
    assert str(caught.value) == (
        f"port {port} of 127.0.0.1: Address already in use; choose another one: `kdpipe ui --port NUMBER`"
    )
    assert "http" not in capfd.readouterr().out


def listening(port: int) -> set[str]:
    """The addresses on which a port is open."""
    found = psutil.net_connections("tcp")
    return {c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN and c.laddr.port == port}


@pytest.mark.nightly
def test_a_page_of_another_name_reads_nothing(write_params: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name of a web page leads to this machine, and is sent as Host."""
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "*")
    monkeypatch.setenv("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "*")
    monkeypatch.setenv("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true")
    folder = write_params().parent
    finish(CELLS[0], 0.4)
    write_params()
    tracking = Tracking(experiment="test")
    sync(tracking, finished_cells(CELLS))
    store = Store(tracking)
    (run,) = store.client.search_runs([store.experiment_id], "tags.stage = 'baseline'")
    search = {"experiment_ids": [store.experiment_id]}
    query = {"query": '{ mlflowSearchRuns(input: {experimentIds: ["%s"]}) { runs { info { runId } } } }'}
    query["query"] %= store.experiment_id
    with served(folder) as (port, _):
        address = f"http://127.0.0.1:{port}"
        asked = [
            ("POST", "/api/2.0/mlflow/runs/search", search),
            ("POST", "/ajax-api/2.0/mlflow/runs/search", search),
            ("GET", f"/api/2.0/mlflow/experiments/get?experiment_id={store.experiment_id}", None),
            ("POST", "/graphql", query),
            ("GET", f"/get-artifact?path=record.json&run_uuid={run.info.run_id}", None),
            ("GET", f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run.info.run_id}", None),
            ("GET", "/", None),
        ]
        for method, path, content in asked:
            for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
                answer = requests.request(
                    method, address + path, json=content, headers={"Host": host}, timeout=60
                )
                assert answer.status_code == 200, (path, host, answer.text)
            for host in forged(port):
                headers = {"Host": host, "Origin": f"http://{host}"}
                answer = requests.request(method, address + path, json=content, headers=headers, timeout=60)
                assert answer.status_code == 403, (path, host, answer.text)
                assert run.info.run_id not in answer.text


def forged(port: int) -> list[str]:
    return [
        f"192.168.1.1.evil.example:{port}",
        f"10.evil.example:{port}",
        f"172.16.evil.example:{port}",
        f"localhost.evil.example:{port}",
        "evil.example",
        f"evil.example:{port}",
        f"192.168.1.1:{port}",
    ]
