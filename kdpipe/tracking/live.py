"""Log a training to MLflow while it runs, without stopping or delaying it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from mlflow.entities import Metric, RunTag
from rich.console import Console
from rich.markup import escape

from kdpipe.cells.record import Identity
from kdpipe.params.schema import PARAMS_FILE, Tracking
from kdpipe.tracking import fields
from kdpipe.tracking.deadline import Deadline
from kdpipe.tracking.errors import reason
from kdpipe.tracking.parents import state_of
from kdpipe.tracking.store import PLACE, Store, place
from kdpipe.tracking.system_metrics import SYSTEM_FILE, SystemWatch

INTERRUPTED = 10.0  # seconds that an interrupted training waits at most: it may be killed soon
Action = Callable[[Store, str], object]


@dataclass(frozen=True)
class RunStart:
    """A training that has begun.

    `started` is in seconds since 1970; `work` is the folder of its unfinished files.
    """

    identity: Identity
    environment: Mapping[str, str]
    started: float
    work: Path


class LiveRun:
    """Logs the run of a training in a separate thread.

    What an unavailable or slow store has not accepted is kept and sent again after the next epoch. A failure
    prints one warning; what is still missing at the end is added from the record later.
    """

    def __init__(self, tracking: Tracking, begun: RunStart, console: Console, deadline: Deadline) -> None:
        """Prepare to log a training; nothing is logged before the context is entered.

        Args:
            tracking: The MLflow settings of params.yaml.
            begun: The training.
            console: Where to print a warning.
            deadline: How long the end of the training waits for what is not logged yet.
        """
        self._tracking = tracking
        self._begun = begun
        self._console = console
        self._deadline = deadline
        self._queue: SimpleQueue[Action | None] = SimpleQueue()
        self._system = SystemWatch(begun.work / SYSTEM_FILE, self._log)
        # A daemon does not keep the process of a finished training alive.
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)

    def __enter__(self) -> Self:
        """Open the run: a new one, or that of the interrupted training."""
        self._thread.start()
        self._queue.put(lambda *_: None)
        self._system.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mark the run as killed or failed; it becomes finished when the record is published."""
        self._system.stop()
        if kind is not None:
            status = "FAILED" if issubclass(kind, Exception) else "KILLED"
            self._queue.put(lambda store, run_id: store.client.set_terminated(run_id, status))
        self._queue.put(None)
        self._deadline.wait_for(self._thread, *(() if kind is None else (INTERRUPTED,)))

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        """Log an epoch.

        Args:
            epoch: Its number, from 1.
            values: Losses and metrics by name.
            ended: Time of its end, in seconds since 1970.
        """
        self._log(epoch, values, ended)

    def _log(self, step: int, values: Mapping[str, float], at: float) -> None:
        found: list[Metric] = fields.metrics(values, at, step)
        self._queue.put(lambda store, run_id: store.client.log_batch(run_id, metrics=found))

    def _work(self) -> None:
        opened: tuple[Store, str] | None = None
        waiting: list[Action] = []
        warned = ended = False
        while not ended:
            # One attempt for all that is queued: a store that does not answer may take long to fail.
            actions = self._queued()
            ended = actions[-1] is None
            waiting += (action for action in actions if action is not None)
            try:
                opened = opened or self._open()
                while waiting:
                    waiting[0](*opened)
                    waiting.pop(0)
            except Exception as error:  # the training continues whatever a store raises
                if not warned:
                    self._warn(error)
                warned = True

    def _queued(self) -> list[Action | None]:
        """Wait for an action, and return it with those behind it; None is the last one."""
        found = [self._queue.get()]
        with suppress(Empty):
            while found[-1] is not None:
                found.append(self._queue.get_nowait())
        return found

    def _open(self) -> tuple[Store, str]:
        store, begun = Store(self._tracking), self._begun
        found = store.runs_here(begun.identity.fingerprint)
        for finished in (run for run in found if run.info.status == "FINISHED"):
            store.client.delete_run(finished.info.run_id)  # its result is gone: it is trained again
        unfinished = (str(run.info.run_id) for run in found if run.info.status != "FINISHED")
        run_id = next(unfinished, None) or store.new_run(begun.identity, begun.started)
        store.client.update_run(run_id, status="RUNNING")
        state = state_of(Path(PARAMS_FILE), begun.environment["git_commit"])
        parent = store.parent(state, started=begun.started, finished=time.time())
        tags = [*fields.tags(begun.identity, begun.environment, state, parent), RunTag(PLACE, place())]
        store.client.log_batch(run_id, params=fields.params(begun.identity, {}), tags=tags)
        return store, run_id

    def _warn(self, error: Exception) -> None:
        self._console.print(
            f"[yellow]warning:[/] {escape(reason(self._tracking, error))}; the training goes on; the report "
            "stage or `kdpipe sync` will complete its run"
        )
