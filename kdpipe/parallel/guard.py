"""Run the commands of a stage: never twice at the same time, and never longer than the caller lives.

A separate program that needs only Python: guard.py FOLDER TOKEN COMMAND...
It prints the exit code, and stops the commands when its standard input ends.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

LOG_FILE, DONE_FILE, LOCK_FILE = "log.txt", "done", "lock"
COMMAND_FILE = "command"  # machine and process group of the command that runs
LOOK = 0.05  # seconds between two checks of the command
GRACE = 30.0  # seconds that an interrupted command has to end


def main(folder: Path, token: str, commands: list[str]) -> int:
    """Run the commands one after another, with their output in the log of the folder.

    After success the token is stored in the folder, so that the result counts even if the caller has died.

    Args:
        folder: The folder of the stage.
        token: Digest of the commands and their dependencies.
        commands: Command lines for the shell.

    Returns:
        0, or the exit code of the command that failed.
    """
    # Ray's workers block SIGINT, and their child processes inherit that.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (
        (folder / LOCK_FILE).open("a", encoding="utf-8") as lock,
        (folder / LOG_FILE).open("a", encoding="utf-8") as log,
    ):
        if not _lock(lock, folder):
            return -signal.SIGINT
        if has_succeeded(folder, token):  # in another process, while this one waited for the lock
            return 0
        for command in commands:
            process = subprocess.Popen(
                [os.environ.get("SHELL") or "/bin/sh", "-c", command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
            with suppress(OSError):  # on a full disk, of which the command has more to say
                (folder / COMMAND_FILE).write_text(f"{os.uname().nodename} {process.pid}", encoding="utf-8")
            code = _wait(process)
            (folder / COMMAND_FILE).unlink(missing_ok=True)
            if code:
                return code
        with suppress(OSError):  # the caller lives, and has no need of it
            (folder / DONE_FILE).write_text(token, encoding="utf-8")
    return 0


def has_succeeded(folder: Path, token: str) -> bool:
    """Whether commands with this token have succeeded in this folder."""
    done = folder / DONE_FILE
    return done.exists() and done.read_text(encoding="utf-8") == token


def wait_for_end(folder: Path) -> None:
    """Wait until no command of this folder is running; end one here whose guard was killed as it began."""
    with (folder / LOCK_FILE).open("a", encoding="utf-8") as lock:
        if not _is_free_within(GRACE, lock):
            _end(lock, folder)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _lock(lock: IO[str], folder: Path) -> bool:
    """Lock the folder as soon as no command of it runs; return False if the caller dies before.

    The commands inherit the lock: it is free after the last one has ended. One that is still there was left
    behind by a guard that was killed. It goes on, but not longer than the caller lives.
    """
    while not _is_free(lock):
        if select.select([sys.stdin], [], [], LOOK)[0]:
            _end(lock, folder)
            return False
    (folder / COMMAND_FILE).unlink(missing_ok=True)
    return True


def _end(lock: IO[str], folder: Path) -> None:
    """Interrupt the command that runs in a folder, and kill it if that is not enough."""
    for number in (signal.SIGINT, signal.SIGKILL):
        _signal(folder, number)
        if _is_free_within(GRACE, lock):
            return


def _is_free_within(seconds: float, lock: IO[str]) -> bool:
    end = time.monotonic() + seconds
    while not (free := _is_free(lock)) and time.monotonic() < end:
        time.sleep(LOOK)
    return free


def _is_free(lock: IO[str]) -> bool:
    """Try to take the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signal(folder: Path, number: int) -> None:
    """Send a signal to the command that runs in a folder, if it is on this machine."""
    with suppress(OSError, ValueError):
        host, group = (folder / COMMAND_FILE).read_text(encoding="utf-8").split()
        if host == os.uname().nodename:
            os.killpg(int(group), number)


def _wait(process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        if select.select([sys.stdin], [], [], LOOK)[0]:  # end of input: the caller has died
            return _stop(process)
    return process.returncode


def _stop(process: subprocess.Popen[bytes]) -> int:
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
    return -signal.SIGKILL


if __name__ == "__main__":
    if os.fork():
        # Ray kills the children of a worker that ends (docs.ray.io, Lifetimes of a User-Spawn Process):
        # a killed guard could not stop its command.
        os._exit(0)
    os.setsid()
    sys.stdout.write(str(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])))
