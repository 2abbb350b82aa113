"""Run the commands of a stage, never twice at once and never longer than the process that wants it lives.

A program of its own, that needs nothing but Python: guard.py FOLDER TOKEN COMMAND...
It prints the exit code. When its standard input ends, so does it.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

LOG_FILE, DONE_FILE, LOCK_FILE = "log.txt", "done", "lock"
LOOK = 0.05  # seconds between two looks at the command
GRACE = 30.0  # seconds that an interrupted command has to end


def main(folder: Path, token: str, commands: list[str]) -> int:
    """Run the commands one after another; what they print goes to the folder's log.

    When all went well the token is left in the folder, so that it is known even if nobody waits any more.
    """
    # Ray's workers block it, and so would what they start.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (folder / LOCK_FILE).open("a") as lock, (folder / LOG_FILE).open("a") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the commands inherit it: it is free when the last of them ended
        if has_succeeded(folder, token):  # while this one waited
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
            code = _wait(process)
            if code:
                return code
        (folder / DONE_FILE).write_text(token)
    return 0


def has_succeeded(folder: Path, token: str) -> bool:
    """Whether commands with this token have run here to their end."""
    done = folder / DONE_FILE
    return done.exists() and done.read_text() == token


def wait_for_end(folder: Path) -> None:
    """Wait until no command of the folder runs any more."""
    with (folder / LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def _wait(process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        if select.select([sys.stdin], [], [], LOOK)[0]:  # its end: nobody waits any more
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
        # Ray kills the children of a worker that ends (docs.ray.io, Lifetimes of a User-Spawn Process);
        # then nobody would stop the command.
        os._exit(0)
    os.setsid()
    sys.stdout.write(str(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])))
