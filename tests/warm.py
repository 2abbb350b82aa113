"""Start stages in milliseconds: they are forked from a process that has imported torch, MLflow and DVC.

`folder()` gives a folder with commands `python`, `dvc` and `kdpipe` for the front of PATH. They run the same
code as the real ones, each call in a process of its own; only other packages are imported already. kdpipe and
Ultralytics are not: a stage imports them itself, kdpipe from the clone that it runs in.

One server serves all processes of a test session, and ends with it.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from filelock import FileLock

IMPORTED = (
    "PIL.Image",
    "alembic.command",
    "cv2",
    "dvc.cli",
    "dvc.repo",
    "dvc.repo.reproduce",
    "dvc.commands.repro",
    "dvc.stage.run",
    "hotcoco",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "mlflow",
    "mlflow.store.db.utils",
    "mlflow.store.tracking.sqlalchemy_store",
    "omegaconf",
    "pandas",
    "pyarrow.parquet",
    "rich.console",
    "scipy.optimize",
    "sklearn.datasets",
    "thop",
    "torch",
    "torch._inductor.config",
    "torchvision",
)
BACKLOG, LONGEST_REQUEST = 64, 1 << 20

# Only the standard library, and of that little: this is what is started each time.
CLIENT = """#!{python} -SE
import json, os, signal, socket, sys
given = sys.argv[1:]
name = os.path.basename(sys.argv[0])
if name == "python":
    if given[:1] != ["-m"] or not given[1:2] or not given[1].startswith("pipelines."):
        os.execv({python!r}, [{python!r}, *given])
    target, given = given[1], given[2:]
else:
    target = name
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps([target, given, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
server.sendall(request)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: server.sendall(bytes([number])))
answer = server.recv(1)
sys.exit(answer[0] if answer else 1)
"""


def folder() -> Path:
    """The commands, and the server behind them, started if it is not there yet."""
    session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    base = Path(gettempdir()) / f"kdpipe-warm-{session}"
    base.mkdir(exist_ok=True)
    commands, address = base / "bin", base / "socket"
    with FileLock(base / "lock"):
        if not commands.exists():
            server = subprocess.Popen(
                [sys.executable, __file__, str(address), str(session)],
                cwd=base,
                env={
                    **os.environ,
                    "PYTHONDONTWRITEBYTECODE": "",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                    "DVC_NO_ANALYTICS": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=(base / "log").open("w"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            while not address.exists():
                assert server.poll() is None, (base / "log").read_text()
                time.sleep(0.05)
            commands.mkdir()
            for name in ("python", "dvc", "kdpipe"):
                path = commands / name
                path.write_text(CLIENT.format(python=sys.executable, address=str(address)))
                path.chmod(0o755)
    return commands


def serve(address: Path, session: int) -> None:
    """Fork a process for each request, as long as the test session lives."""
    for module in IMPORTED:
        import_module(module)
    import_module("sqlalchemy.orm").configure_mappers()  # of MLflow's tables
    gc.freeze()  # what is imported is not searched for garbage, and so not copied
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    part = address.with_suffix(".part")
    listener.bind(str(part))
    listener.listen(BACKLOG)
    part.rename(address)
    while _lives(session):
        if select.select([listener], [], [], 1.0)[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os._exit(_watch(connection))
            connection.close()
    shutil.rmtree(address.parent)


def _watch(connection: socket.socket) -> int:
    """Run what is asked for in a process of its own, which ends with the one that asked."""
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    length, content = int.from_bytes(size, "big"), b""
    while len(content) < length:
        content += connection.recv(LONGEST_REQUEST)
    child = os.fork()
    if child == 0:
        os.setsid()
        connection.close()
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        os._exit(_run(*json.loads(content)))
    for file in files:
        os.close(file)
    ended = os.pidfd_open(child)
    while True:
        ready = select.select([ended, connection], [], [])[0]
        if ended in ready:
            _, status = os.waitpid(child, 0)
            with suppress(OSError):
                connection.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
            return 0
        sent = connection.recv(1)
        with suppress(ProcessLookupError):
            os.killpg(child, sent[0] if sent else signal.SIGKILL)
        if not sent:
            return 0


def _run(target: str, given: list[str], cwd: str, environment: dict[str, str]) -> int:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [cwd, *paths, *sys.path[1:]]
    sys.argv = [target, *given]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    code: Any = 0
    try:
        if target == "kdpipe":
            import_module("kdpipe.cli").main()
        else:
            runpy.run_module(target, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if isinstance(code, str):
        sys.stderr.write(code)
    return code if isinstance(code, int) else int(code is not None)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
