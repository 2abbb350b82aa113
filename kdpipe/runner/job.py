"""Description of a training for the runner, and the interface for its progress reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from kdpipe.cells.record import Identity

JOB_FILE = "job.json"


@dataclass(frozen=True)
class Job:
    """One training, and the files that it reads.

    Attributes:
        identity: Settings of the training.
        start: Model yaml or checkpoint that Ultralytics builds the student from.
        data: The data yaml.
        teachers: Checkpoints of the teacher, or of several; without one, `identity.dis` is not used.
        images: Number of images by split, as prepared; splits that are not named are not counted.
    """

    identity: Identity
    start: str
    data: Path
    teachers: Sequence[Path] = ()
    images: Mapping[str, int] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the job for other processes."""
        (folder / JOB_FILE).write_text(json.dumps(asdict(self), default=str), encoding="utf-8")


def load_job(folder: Path) -> Job:
    """Read a job that another process wrote."""
    content = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    return Job(
        identity=Identity(**content["identity"]),
        start=content["start"],
        data=Path(content["data"]),
        teachers=[Path(teacher) for teacher in content["teachers"]],
        images=content["images"],
    )


class Listener(Protocol):
    """Receives the metrics of a training while it runs."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """Handle the end of an epoch.

        Args:
            epoch: Number of the epoch, starting at 1.
            values: Losses and metrics by name.
            ended: Time of its end, in seconds since 1970.
        """


class Silent:
    """A listener that does nothing."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """Ignore the epoch.

        Args:
            epoch: Number of the epoch, starting at 1.
            values: Losses and metrics by name.
            ended: Time of its end, in seconds since 1970.
        """
