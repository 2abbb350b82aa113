"""The process that stages are forked from: it has imported their packages. See `kdpipe.parallel.warm`.

    python warm_server.py SOCKET [PID [MODULE...]]

It ends when it had nothing to do for a minute, or, with PID, when this process ends. kdpipe and Ultralytics
are not imported: a fork imports the code and the settings that are there when it begins.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

IMPORTED = (
    "PIL.Image",
    "alembic.command",
    "cv2",
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
PR_SET_NAME = 15  # <linux/prctl.h>
IDLE = 60.0  # seconds
LOOK = 1.0  # seconds between two looks whether it may end
BEGUN = b"b"  # this and SIZE as in warm.py, which is not imported, as kdpipe is not
SIZE, BACKLOG, MOST_FILES = 4, 64, 64


def serve(address: Path, stays: Callable[[float], bool]) -> None:
    """Fork a process for each request; remove the folder of the socket at the end.

    Args:
        address: Socket to make, once it is ready.
        stays: Whether to go on after so many seconds without anything to do.
    """
    gc.freeze()  # what is imported is not searched for garbage, and so not copied
    os.chdir(address.parent)  # an address has 107 bytes at most
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address.name}.part")
    listener.listen(BACKLOG)
    Path(f"{address.name}.part").rename(address.name)
    watchers: set[int] = set()
    busy = time.monotonic()
    while stays(time.monotonic() - busy):
        if select.select([listener], [], [], LOOK)[0]:
            connection, _ = listener.accept()
            watcher = os.fork()
            if watcher == 0:
                listener.close()
                os._exit(_watch(connection))
            connection.close()
            watchers.add(watcher)
        watchers = {watcher for watcher in watchers if os.waitpid(watcher, os.WNOHANG) == (0, 0)}
        if watchers:
            busy = time.monotonic()
    shutil.rmtree(address.parent, ignore_errors=True)


def _watch(connection: socket.socket) -> int:
    """Run what is asked for in a process of its own, which lives no longer than the one that asked."""
    size, files, _, _ = socket.recv_fds(connection, SIZE, MOST_FILES)
    length, content = int.from_bytes(size, "big"), b""
    while len(content) < length:
        if not (part := connection.recv(length - len(content))):  # a signal may follow
            return 1
        content += part
    module, argv, cwd, mask, environment, numbers = json.loads(content)
    child = os.fork()
    if child == 0:
        os.setsid()
        connection.close()
        _place(dict(zip(files, numbers, strict=True)))
        os.umask(mask)
        os._exit(_run(module, argv, cwd, environment))
    for file in files:
        os.close(file)
    with suppress(OSError):
        connection.sendall(BEGUN)
    ended = os.pidfd_open(child)
    while True:
        if select.select([ended, connection.fileno()], [], [])[0][0] == ended:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            with suppress(OSError):
                connection.sendall(code.to_bytes(SIZE, "big", signed=True))
            return 0
        try:
            sent = connection.recv(1)
        except OSError:
            sent = b""
        _signal(child, sent[0] if sent else signal.SIGKILL)
        if not sent:
            return 0


def _signal(child: int, number: int) -> None:
    """Send a signal to a process and its children; it may not lead a group yet, or have ended."""
    with suppress(ProcessLookupError):
        try:
            os.killpg(child, number)
        except ProcessLookupError:
            os.kill(child, number)


def _place(files: dict[int, int]) -> None:
    """Give open files the numbers that they have in the process that asked."""
    high = max(*files, *files.values()) + 1
    for file in files:
        os.dup2(file, high + file)
        os.close(file)
    for file, number in files.items():
        os.dup2(high + file, number)
        os.close(high + file)


def _open_streams() -> None:
    """Give Python's streams to the files that they are now: those of the server were of another kind."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream: Any = open(  # noqa: SIM115
            number,
            "w" if number else "r",
            buffering=1 if name == "stderr" or os.isatty(number) else -1,
            encoding=(before := getattr(sys, name)).encoding,
            errors=before.errors,
            closefd=False,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run(module: str, argv: list[str], cwd: str, environment: dict[str, str]) -> int:
    """Run a module as `python -m` does, and return its exit code."""
    _open_streams()
    ctypes.CDLL(None).prctl(PR_SET_NAME, module.encode())  # for `top` and the like
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [cwd, *paths]
    sys.argv = argv
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code: Any = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def _lives(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    place, *more = sys.argv[1:]
    for name in (*IMPORTED, *more[1:]):
        with suppress(ImportError):
            import_module(name)
    import_module("sqlalchemy.orm").configure_mappers()  # of MLflow's tables
    serve(Path(place), lambda idle: _lives(int(more[0])) if more else idle < IDLE)
