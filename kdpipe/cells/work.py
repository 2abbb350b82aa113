"""Unfinished trainings on this machine: their folders, and which ones are running."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from kdpipe.cells.record import Identity, load_identity
from kdpipe.console import console
from kdpipe.paths import state_dir

STARTED_FILE = "started"


def work_dir(fingerprint: str) -> Path:
    """Work folder of a training; it is deleted when the training is finished."""
    return state_dir() / "work" / fingerprint


def set_aside(identity: Identity) -> Iterator[tuple[Path, Identity]]:
    """Interrupted trainings with the same settings but other code versions, with their work folders."""
    for folder in sorted((state_dir() / "work").glob("*")):
        begun = load_identity(folder)
        if begun is None or begun.fingerprint == identity.fingerprint or is_running(begun.fingerprint):
            continue
        if begun.same_but_for_code(identity):
            yield folder, begun


def first_start(work: Path) -> float:
    """Start time of a training in seconds since 1970; for a resumed one, that of its first start."""
    path = work / STARTED_FILE
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(str(now := time.time()), encoding="utf-8")
        return now


@contextmanager
def alone_with(fingerprint: str) -> Iterator[Path]:
    """Lock the work folder of a training for this process.

    Experiments that run at the same time may need the same training. Only one process runs it; the others
    wait, and then use its result from the folder. The last process deletes the folder; after an error it is
    kept.
    """
    held, waiting = lock(fingerprint), state_dir() / "waiting" / fingerprint
    try:
        held.acquire(blocking=False)
    except Timeout:
        console.print("another process is training this: waiting for what comes out")
        mark = waiting / str(os.getpid())
        waiting.mkdir(parents=True, exist_ok=True)
        mark.touch()
        try:
            held.acquire()
        finally:
            mark.unlink()
    try:
        yield work_dir(fingerprint)
        if not any(psutil.pid_exists(int(mark.name)) for mark in waiting.glob("*")):
            shutil.rmtree(work_dir(fingerprint), ignore_errors=True)
    finally:
        held.release()


def lock(fingerprint: str) -> FileLock:
    """File lock of a training, held by the process that runs it."""
    locks = state_dir() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / fingerprint)


def is_running(fingerprint: str) -> bool:
    """Whether a process on this machine is running the training now."""
    try:
        with lock(fingerprint).acquire(blocking=False):
            return False
    except Timeout:
        return True
