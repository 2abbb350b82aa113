"""Start stages in milliseconds: a process that has imported their packages forks one for each.

`python -m pipelines.NAME` calls `run_warm`, which asks the server if there is one, and else starts it for the
stages that follow. On Linux only; the environment variable KDPIPE_WARM=0 turns it off.
Each stage imports this, so it needs the standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SERVER = Path(__file__).with_name("warm_server.py")
# Variables that begin like this differ between stages, and none of the packages reads them.
OF_ONE_STAGE = ("DVC_", "KDPIPE_", "OLDPWD", "PWD", "PYTHONBREAKPOINT", "RAY_", "SHLVL", "_")
SOCKET = "socket"
SIZE = 4  # bytes
BEGUN = b"b"


def run_warm(module: str, given: Sequence[str]) -> None:
    """Run a stage in a fork of the server, and exit as it does; return if there is no server yet.

    Args:
        module: Name of the stage's module, such as `pipelines.train`.
        given: Its arguments.
    """
    if os.environ.get("KDPIPE_WARM") == "0" or not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):
        folder = _private(Path(tempfile.gettempdir()) / f"kdpipe-{os.getuid()}") / _kind()
        folder.mkdir(exist_ok=True)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"/proc/self/fd/{place}/{SOCKET}")  # an address has 107 bytes at most
        except OSError:
            os.close(place)
            _start(folder)
        else:
            ask(server, module, [module, *given])


def ask(server: socket.socket, module: str, argv: Sequence[str]) -> None:
    """Let a connected server run a module in this place, and exit as it does; return if it cannot.

    Args:
        server: The connection.
        module: What to run, as `python -m` does.
        argv: `sys.argv` for it.
    """
    mask = os.umask(0)
    os.umask(mask)
    files = [number for number in _open_files() if _is_inherited(number)]
    request = json.dumps([module, list(argv), str(Path.cwd()), mask, dict(os.environ), files]).encode()
    socket.send_fds(server, [len(request).to_bytes(SIZE, "big")], files)
    server.sendall(request)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, lambda number, _: server.sendall(bytes([number])))
    if not server.recv(len(BEGUN)):
        for number, handler in before.items():
            signal.signal(number, handler)
        return
    code = int.from_bytes(answer, "big", signed=True) if (answer := server.recv(SIZE)) else -signal.SIGKILL
    if code < 0:  # end by the same signal
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _open_files() -> list[int]:
    return [int(path.name) for path in Path("/proc/self/fd").iterdir()]


def _is_inherited(number: int) -> bool:
    """Whether a child process would have this open file, such as the lock of its stage."""
    try:
        return os.get_inheritable(number)
    except OSError:  # the folder that was listed
        return False


def _private(folder: Path) -> Path:
    """A folder that nobody else can write to, or OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o77 or folder.is_symlink():
        raise PermissionError(folder)
    return folder


def _kind() -> str:
    """Digest of what a fork takes over from the server: packages, environment, limits, processors."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(OF_ONE_STAGE)}
    limits = [
        resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")
    ]
    content = (
        *(sys.executable, Path(sysconfig.get_path("purelib")).stat().st_mtime_ns, SERVER.stat().st_mtime_ns),
        *(sorted(variables.items()), limits, sorted(os.sched_getaffinity(0)), os.nice(0)),
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
    )
    return hashlib.sha256(repr(content).encode()).hexdigest()[:32]


def _start(folder: Path) -> None:
    """Start the server in the background, unless another stage does; it holds the lock while it lives."""
    with (folder / "lock").open("wb") as lock, (folder / "log").open("ab") as log:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in (SOCKET, f"{SOCKET}.part"):
            (folder / name).unlink(missing_ok=True)
        subprocess.Popen(
            [sys.executable, str(SERVER), str(folder / SOCKET)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
