"""Serve the MLflow UI to this machine only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from kdpipe.console import console
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import UI_HOST, Tracking
from kdpipe.params.tracking_uri import is_server
from kdpipe.tracking import sync, view_page

HTTP_PORT = 80
UNSAFE = "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"


def serve(tracking: Tracking, port: int) -> int:
    """Run MLflow's UI until it is stopped, or print the URL of the tracking server.

    Returns:
        The exit code.

    Raises:
        KdpipeError: if the port cannot be used.
    """
    store = sync(tracking, []).store
    page = view_page(store.experiment_id)
    if is_server(tracking):
        console.print(f"experiment {store.experiment}: {store.shown_uri}/{page}")
        return 0
    _check_port(port)
    console.print(f"experiment {store.experiment}: http://{UI_HOST}:{port}/{page}")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.uri]
    command += ["--host", UI_HOST, "--port", str(port), "--workers", "1", *_only_this_machine(port)]
    # MLflow's job workers are separate processes that only language models need.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    environment.pop(UNSAFE, None)
    return subprocess.run(command, env=environment, check=False).returncode


def _check_port(port: int) -> None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just closed is free
        try:
            tried.bind((UI_HOST, port))
        except OSError as error:
            remedy = "choose another one: `kdpipe ui --port NUMBER`"
            raise KdpipeError(f"port {port} of {UI_HOST}: {error.strerror}; {remedy}") from error


def _only_this_machine(port: int) -> list[str]:
    """Return options with the exact hosts that a browser may name.

    A web page that has its own name resolved to 127.0.0.1 (DNS rebinding) sends that name as Host; MLflow's
    own patterns, such as 192.168.*, also match names such as 192.168.1.1.example.com.
    """
    names = [UI_HOST, "localhost"]
    hosts = [f"{name}:{port}" for name in names] + (names if port == HTTP_PORT else [])
    origins = [f"http://{host}" for host in hosts]
    return ["--allowed-hosts", ",".join(hosts), "--cors-allowed-origins", ",".join(origins)]
