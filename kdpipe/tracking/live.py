"""Logging a cell while it trains, without ever stopping it or holding it up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from mlflow.entities import Metric
from rich.console import Console
from rich.markup import escape

from kdpipe.config import Tracking
from kdpipe.records import Identity
from kdpipe.tracking import entries
from kdpipe.tracking.store import PLACE, Store, place

PATIENCE = 15.0  # seconds that the end of a training waits for what is not logged yet
Action = Callable[[Store, str], object]


class LiveRun:
    """The run of a cell in training, logged by a thread of its own.

    What a store that is away or slow has not taken is kept and tried again after the next epoch. A
    failure costs one warning: whatever is missing in the end is completed from the record.
    """

    def __init__(
        self,
        tracking: Tracking,
        identity: Identity,
        environment: Mapping[str, str],
        started: float,
        console: Console,
    ) -> None:
        """Prepare for a training begun at `started`; nothing is written before the context is entered."""
        self._tracking = tracking
        self._identity = identity
        self._environment = environment
        self._started = started
        self._console = console
        self._queue: SimpleQueue[Action | None] = SimpleQueue()
        # As a daemon it does not keep a finished training from ending.
        self._thread = Thread(target=self._work, name="mlflow", daemon=True)

    def __enter__(self) -> Self:
        """Open the run: a new one, or the one that an interrupted training left."""
        self._thread.start()
        self._queue.put(lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mark the run as interrupted or failed; success is marked once the record is written."""
        if kind is not None:
            status = "FAILED" if issubclass(kind, Exception) else "KILLED"
            self._queue.put(lambda store, run_id: store.client.set_terminated(run_id, status))
        self._queue.put(None)
        self._thread.join(PATIENCE)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch."""
        found: list[Metric] = entries.metrics(values, time.time(), epoch)
        self._queue.put(lambda store, run_id: store.client.log_batch(run_id, metrics=found))

    def _work(self) -> None:
        opened: tuple[Store, str] | None = None
        waiting: list[Action] = []
        warned = False
        while (action := self._queue.get()) is not None:
            waiting.append(action)
            try:
                opened = opened or self._open()
                while waiting:
                    waiting[0](*opened)
                    waiting.pop(0)
            except Exception as error:  # whatever a store may raise, the training goes on
                if not warned:
                    self._warn(error)
                warned = True

    def _open(self) -> tuple[Store, str]:
        store = Store(self._tracking)
        found = store.runs_of(self._identity.fingerprint)
        for finished in (run for run in found if run.info.status == "FINISHED"):
            store.client.delete_run(finished.info.run_id)  # its result is gone: trained anew
        run = next((run for run in found if run.info.status != "FINISHED"), None)
        if run is None:
            tags = {tag.key: tag.value for tag in entries.tags(self._identity, self._environment)}
            run = store.client.create_run(
                store.experiment_id,
                start_time=round(self._started * 1000),
                tags=tags,
                run_name=self._identity.cell,
            )
            store.client.log_inputs(run.info.run_id, datasets=entries.datasets(self._identity))
        run_id = str(run.info.run_id)
        store.client.update_run(run_id, status="RUNNING")
        store.client.set_tag(run_id, PLACE, place())
        store.client.log_batch(run_id, params=entries.params(self._identity, {}))
        return store, run_id

    def _warn(self, error: Exception) -> None:
        self._console.print(
            f"[yellow]warning:[/] MLflow is away; this run is completed by the report stage or "
            f"`kdpipe sync` ({escape(str(error))})"
        )
