"""Unfinished trainings on this machine: their folders, and which ones are running."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kdpipe.cells.record import Identity, load_identity
from kdpipe.console import console
from kdpipe.paths import state_dir

STARTED_FILE = "started"
FINISHED = "finished"  # folder with the result of a finished training


def work_dir(fingerprint: str) -> Path:
    """Work folder of a training; it is deleted once DVC has the result (`kdpipe.cells.finished`)."""
    return state_dir() / "work" / fingerprint


def set_aside(identity: Identity) -> Iterator[tuple[Path, Identity]]:
    """Interrupted trainings with the same settings but other code versions, with their work folders."""
    for folder in sorted((state_dir() / "work").glob("*")):
        begun = load_identity(folder)
        if begun is None or begun.fingerprint == identity.fingerprint or is_running(begun.fingerprint):
            continue
        if not (folder / FINISHED).exists() and begun.same_but_for_code(identity):
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

    Experiments that run at the same time may need the same training, and so does the next `dvc repro` if a
    training goes on after its DVC was killed. Only one process runs it; the others wait, and then use its
    result from the folder.
    """
    held = lock(fingerprint)
    with _wanted(fingerprint):
        try:
            held.acquire(blocking=False)
        except Timeout:
            console.print("another process is training this: waiting for what comes out")
            held.acquire()
        try:
            yield work_dir(fingerprint)
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


def is_wanted(fingerprint: str) -> bool:
    """Whether a process runs the training, or waits for it."""
    return is_running(fingerprint) or any(map(_is_held, _marks(fingerprint).glob("*")))


@contextmanager
def _wanted(fingerprint: str) -> Iterator[None]:
    """Mark the training as wanted by this process.

    The mark is a lock: it ends with the process, however that ends, and no other process can inherit it with
    the process's number.
    """
    mark = _marks(fingerprint) / f"{os.getpid()}-{time.time_ns()}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(mark):
            yield
    finally:
        mark.unlink(missing_ok=True)


def _marks(fingerprint: str) -> Path:
    return state_dir() / "waiting" / fingerprint


def _is_held(mark: Path) -> bool:
    """Whether the process of a mark is alive; a mark without one is removed."""
    try:
        with FileLock(mark).acquire(blocking=False):
            mark.unlink(missing_ok=True)
            return False
    except Timeout:
        return True
