"""Unfinished trainings of this machine: where they lie, and which of them are running."""

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
    """Where a training keeps what it has until it is done."""
    return state_dir() / "work" / fingerprint


def set_aside(identity: Identity) -> Iterator[tuple[Path, Identity]]:
    """Interrupted trainings of the same thing that other versions of the code began, with their folders."""
    for folder in sorted((state_dir() / "work").glob("*")):
        begun = load_identity(folder)
        if begun is None or begun.fingerprint == identity.fingerprint or is_running(begun.fingerprint):
            continue
        if begun.same_but_for_code(identity):
            yield folder, begun


def first_start(work: Path) -> float:
    """When a training was begun, in seconds since 1970: now, if no interrupted one left its time."""
    path = work / STARTED_FILE
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(str(now := time.time()))
        return now


@contextmanager
def alone_with(fingerprint: str) -> Iterator[Path]:
    """The folder of a training, held by one process; whoever waited for it finds it as it was left.

    Experiments that run side by side may want the same cell: it is trained once. The last one that is
    done removes the folder; after an error it stays.
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
    """Held by the process that trains."""
    locks = state_dir() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / fingerprint)


def is_running(fingerprint: str) -> bool:
    """Whether a process of this machine trains this now."""
    try:
        with lock(fingerprint).acquire(blocking=False):
            return False
    except Timeout:
        return True
