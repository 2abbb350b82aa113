"""Unfinished trainings of this machine: where they lie, and which of them are running."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from kdpipe.paths import state_dir


def work_dir(fingerprint: str) -> Path:
    """Where a training keeps what it has until it is done."""
    return state_dir() / "work" / fingerprint


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
