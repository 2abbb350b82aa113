"""Log the trials of `kdpipe tune` as an MLflow run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pandas as pd

from kdpipe.params.schema import Tracking
from kdpipe.tracking import fields
from kdpipe.tracking.errors import reachable
from kdpipe.tracking.store import Store

STAGE = "tune"


def log_trials(tracking: Tracking, rows: Sequence[Mapping[str, float | str]]) -> str:
    """Log a run with one step per trial: numbers as metrics, everything as a table.

    Returns:
        The run id.

    Raises:
        KdpipeError: if the store cannot be used.
    """
    with reachable(tracking):
        store, now = Store(tracking), time.time()
        run = store.client.create_run(store.experiment_id, tags={"stage": STAGE}, run_name=STAGE)
        run_id = str(run.info.run_id)
        for step, row in enumerate(rows):
            numbers = {f"tune/{name}": value for name, value in row.items() if not isinstance(value, str)}
            store.client.log_batch(run_id, metrics=fields.metrics(numbers, now, step))
        store.client.log_table(run_id, pd.DataFrame(list(rows)), "trials.json")
        store.client.set_terminated(run_id)
        return run_id
