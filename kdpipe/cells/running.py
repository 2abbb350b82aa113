"""The process that writes the outputs of a stage: only one, even if a DVC that was killed left another."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from kdpipe.cells.finished import remove_committed
from kdpipe.cells.lock_file import save_copy
from kdpipe.console import console
from kdpipe.paths import state_dir

GRACE = 10.0  # seconds that a process has to end


@dataclass(frozen=True)
class Worker:
    """A process that runs a stage; `fingerprint` is that of its training, if it is one.

    The time at which it was created tells it from another process that got its number later.
    """

    host: str
    pid: int
    created: float
    fingerprint: str

    @property
    def process(self) -> psutil.Process | None:
        """The process, if it is on this machine and still runs."""
        if self.host != socket.gethostname():
            return None
        try:
            found = psutil.Process(self.pid)
            return found if abs(found.create_time() - self.created) < 1 else None
        except psutil.NoSuchProcess:
            return None


class Claim:
    """The right of this process to write the outputs of a stage in this folder, until another does."""

    def __init__(self, stage: str, fingerprint: str) -> None:
        """Name what is claimed.

        Args:
            stage: Name of the stage.
            fingerprint: Fingerprint of its training, or an empty string.
        """
        place = hashlib.sha256(f"{Path.cwd()}\n{stage}".encode()).hexdigest()[:32]
        self._note = state_dir() / "running" / f"{place}.json"
        self._lock = FileLock(state_dir() / "locks" / f"{place}.stage")
        self._me = Worker(socket.gethostname(), os.getpid(), psutil.Process().create_time(), fingerprint)

    def take(self) -> None:
        """Take over from an earlier process; it ends, unless it does the training that is wanted here."""
        for folder in (self._note.parent, Path(self._lock.lock_file).parent):
            folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            before = self._read()
            if before is not None and not (before.fingerprint and before.fingerprint == self._me.fingerprint):
                _end(before)
            self._note.write_text(json.dumps(asdict(self._me)), encoding="utf-8")

    def drop(self) -> None:
        """Give the claim up, if it is still held."""
        with self._lock:
            if self._read() == self._me:
                self._note.unlink()

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Yield whether this process may write the outputs; no other one takes over meanwhile."""
        with self._lock:
            yield self._read() == self._me

    def _read(self) -> Worker | None:
        try:
            return Worker(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@contextmanager
def claimed(stage: str, fingerprint: str = "") -> Iterator[Claim]:
    """Claim the outputs of a stage for the time that this process works on them.

    While DVC lives it starts no stage twice. An earlier process of the stage is one that outlived its DVC.

    Args:
        stage: Name of the stage.
        fingerprint: Fingerprint of its training, if it is one.
    """
    claim = Claim(stage, fingerprint)
    claim.take()
    save_copy()
    if not fingerprint:  # a training may want one of them
        remove_committed()
    try:
        yield claim
    finally:
        claim.drop()


def _end(worker: Worker) -> None:
    """End a process and its children."""
    found = worker.process
    if found is None or found.pid == os.getpid():
        return
    console.print(f"process {found.pid} of this stage was left behind by a DVC that was killed: it ends now")
    try:
        family = [found, *found.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        for process in family:
            try:
                stop(process)
            except psutil.NoSuchProcess:
                continue
        family = psutil.wait_procs(family, timeout=GRACE)[1]
