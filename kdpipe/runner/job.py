"""What is to be trained, and who hears of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from kdpipe.cells.record import Identity

JOB_FILE = "job.json"


@dataclass(frozen=True)
class Job:
    """One training: what it is, and the files that it reads.

    `start` is what Ultralytics builds the student from: a model yaml, or a checkpoint. `data` is the data
    yaml, `teacher` the teacher's checkpoint; without one, `identity.dis` is not used.
    """

    identity: Identity
    start: str
    data: Path
    teacher: Path | None = None

    def save(self, folder: Path) -> None:
        """Write it for other processes."""
        (folder / JOB_FILE).write_text(json.dumps(asdict(self), default=str))


def load_job(folder: Path) -> Job:
    """Read what another process is to train."""
    content = json.loads((folder / JOB_FILE).read_text())
    return Job(
        identity=Identity(**content["identity"]),
        start=content["start"],
        data=Path(content["data"]),
        teacher=Path(content["teacher"]) if content["teacher"] else None,
    )


class Listener(Protocol):
    """Hears of a training while it runs."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """An epoch (counted from 1) has ended with these losses and metrics; in seconds since 1970."""


class Silent:
    """Hears nothing."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """Do nothing."""
