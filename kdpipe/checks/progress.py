"""How far the trainings of params.yaml are, from their files alone: also while DVC holds its lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from kdpipe.cells.cell import Cell, all_cells
from kdpipe.cells.history import HISTORY_FILE, read_history
from kdpipe.cells.record import RECORD_FILE, Identity, load_identity, load_record
from kdpipe.cells.work import FINISHED, is_running, work_dir
from kdpipe.checks.prepared import prepared
from kdpipe.errors import KdpipeError, about, counted
from kdpipe.models.start_weights import Source, source_of
from kdpipe.params.arguments import whole_number
from kdpipe.params.schema import Params
from kdpipe.paths import state_dir

DONE, RUNNING, INTERRUPTED, WAITING = "done", "running", "interrupted", "waiting"


@dataclass(frozen=True)
class Training:
    """A training: its state, the finished ones of its epochs, and the seconds that they took."""

    cell: Cell
    state: str
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0

    @property
    def whole(self) -> float | None:
        """Seconds that all of it takes; None if that is not known yet."""
        if self.state == DONE:
            return self.seconds
        return self.seconds / self.epoch * self.epochs if self.epoch else None


@dataclass(frozen=True)
class Progress:
    """All trainings."""

    trainings: list[Training]

    def count(self, state: str) -> int:
        """How many are in a state."""
        return sum(training.state == state for training in self.trainings)

    @cached_property
    def seconds_left(self) -> float | None:
        """Seconds until all are done, as many at once as now; None while the time of a kind is unknown."""
        left = [self.left(training) for training in self.trainings]
        known = [seconds for seconds in left if seconds is not None]
        return sum(known) / max(1, self.count(RUNNING)) if len(known) == len(left) else None

    def left(self, training: Training) -> float | None:
        """Seconds that a training still takes, as far as it or others of its kind say."""
        if training.state == DONE:
            return 0.0
        whole = training.whole
        if whole is None:
            like = (other.whole for other in self.trainings if other.cell.kind == training.cell.kind)
            known = [seconds for seconds in like if seconds is not None]
            whole = fmean(known) if known else None
        return None if whole is None else max(0.0, whole - training.seconds)

    def __str__(self) -> str:
        """A sentence."""
        trainings = counted(len(self.trainings), "training")
        states = (
            f"{self.count(state)} {state}" for state in (RUNNING, INTERRUPTED, WAITING) if self.count(state)
        )
        said = ", ".join([f"{self.count(DONE)} of {trainings} done", *states])
        if self.count(DONE) == len(self.trainings):
            return said
        left = self.seconds_left
        return f"{said}; " + (
            "the time is not known yet" if left is None else f"{about(left)} of training left"
        )


def progress(params: Params) -> Progress:
    """Look at the trainings of params.yaml."""
    begun = {identity.cell: identity for identity in _begun()}
    manifest = prepared(params.data)
    data = manifest.digest if manifest else None
    return Progress([_training(params, cell, begun.get(cell.id), data) for cell in all_cells(params)])


def _training(params: Params, cell: Cell, begun: Identity | None, data: str | None) -> Training:
    if begun is not None:
        rows = read_history(work_dir(begun.fingerprint) / HISTORY_FILE)
        state = RUNNING if is_running(begun.fingerprint) else INTERRUPTED
        seconds = rows[-1]["seconds"] if rows else 0.0
        return Training(cell, state, len(rows), whole_number(begun.arguments, "epochs"), seconds)
    if (cell.train_dir / RECORD_FILE).exists():
        with suppress(KdpipeError):  # a damaged one is made again
            record = load_record(cell.train_dir)
            if _same(record.identity, source_of(params, cell), data):
                return Training(cell, DONE, record.epochs, record.epochs, record.seconds)
    return Training(cell, WAITING, epochs=whole_number(source_of(params, cell).arguments, "epochs"))


def _begun() -> Iterator[Identity]:
    """Identities of unfinished trainings."""
    for folder in (state_dir() / "work").glob("*"):
        identity = load_identity(folder)
        if identity is not None and not (folder / FINISHED).exists():
            yield identity


def _same(identity: Identity, source: Source, data: str | None) -> bool:
    """Whether a training is of what params.yaml says; what its teacher has learned is not looked at."""
    wanted = json.loads(json.dumps(source.arguments))
    found = (identity.model, identity.init, identity.arguments, identity.data_digest)
    return found == (str(source.architecture), source.init, wanted, data)
