"""Logging a cell while it trains, without ever stopping it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape

from kdpipe.config import Tracking
from kdpipe.records import Identity
from kdpipe.tracking import entries
from kdpipe.tracking.store import Store


class LiveRun:
    """The run of a cell in training.

    A failure of the tracking store costs a warning and the rest of the live view, never the
    training: the run is completed from the record later.
    """

    def __init__(
        self, tracking: Tracking, identity: Identity, environment: Mapping[str, str], console: Console
    ) -> None:
        """Prepare; nothing is written before the context is entered."""
        self._tracking = tracking
        self._identity = identity
        self._environment = environment
        self._console = console
        self._store: Store | None = None
        self._run_id = ""

    def __enter__(self) -> Self:
        """Open the run: a new one, or the one that an interrupted training left."""
        self._try(self._open)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mark the run as interrupted or failed; success is marked once the record is written."""
        if kind is not None:
            status = "FAILED" if issubclass(kind, Exception) else "KILLED"
            self._try(lambda store: store.client.set_terminated(self._run_id, status))

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log an epoch."""
        found = entries.metrics(values, time.time(), epoch)
        self._try(lambda store: store.client.log_batch(self._run_id, metrics=found))

    def _open(self, _: Any) -> None:
        self._store = store = Store(self._tracking)
        run = store.find(self._identity.fingerprint)
        if run is not None and run.info.status == "FINISHED":  # its result is gone: trained anew
            store.client.delete_run(run.info.run_id)
            run = None
        if run is None:
            tags = {tag.key: tag.value for tag in entries.tags(self._identity, self._environment)}
            run = store.client.create_run(store.experiment_id, tags=tags, run_name=self._identity.cell)
            store.client.log_inputs(run.info.run_id, datasets=entries.datasets(self._identity))
        self._run_id = run.info.run_id
        store.client.update_run(self._run_id, status="RUNNING")
        store.client.log_batch(self._run_id, params=entries.params(self._identity, {}))

    def _try(self, action: Callable[[Any], None]) -> None:
        if self._store is None and action != self._open:
            return
        try:
            action(self._store)
        except Exception as error:  # whatever a store may raise, the training goes on
            self._store = None
            why = escape(str(error))
            self._console.print(
                f"[yellow]warning:[/] MLflow is away; the report stage completes this run ({why})"
            )
