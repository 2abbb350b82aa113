"""Unfinished trainings of this machine: where they lie, and which of them are running."""

from __future__ import annotations

import time
from pathlib import Path

from filelock import FileLock, Timeout

from kdpipe.paths import state_dir

STARTED_FILE = "started"


def work_dir(fingerprint: str) -> Path:
    """Where a training keeps what it has until it is done."""
    return state_dir() / "work" / fingerprint


def first_start(work: Path) -> float:
    """When a training was begun, in seconds since 1970: now, if no interrupted one left its time."""
    path = work / STARTED_FILE
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(str(now := time.time()))
        return now


def lock(fingerprint: str) -> FileLock:
    """Held by the process that trains; experiments that run side by side may want the same cell."""
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
