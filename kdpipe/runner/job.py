"""What is to be trained, and who hears of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

JOB_FILE = "job.json"


@dataclass(frozen=True)
class Job:
    """One training: what to train, on what, and with which teacher."""

    title: str
    task: str
    start: str
    data: Path
    seed: int
    arguments: Mapping[str, Any]
    teacher: Path | None = None
    dis: float | None = None

    def save(self, folder: Path) -> None:
        """Write it for other processes."""
        (folder / JOB_FILE).write_text(json.dumps(asdict(self), default=str))


def load_job(folder: Path) -> Job:
    """Read what another process is to train."""
    content = json.loads((folder / JOB_FILE).read_text())
    teacher = Path(content["teacher"]) if content["teacher"] else None
    return Job(**{**content, "data": Path(content["data"]), "teacher": teacher})


class Listener(Protocol):
    """Hears of a training while it runs."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """An epoch (counted from 1) has ended with these losses and metrics; in seconds since 1970."""


class Silent:
    """Hears nothing."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """Do nothing."""
