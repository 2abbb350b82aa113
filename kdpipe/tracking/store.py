"""Access the MLflow store of a project: its experiment and runs."""

from __future__ import annotations

import logging
import os
import platform
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage, Run
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.store.entities import PagedList

from kdpipe.cells.record import Identity
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Tracking
from kdpipe.params.tracking_uri import database_file, is_server, shown_uri, tracking_uri
from kdpipe.paths import project_root, state_dir
from kdpipe.tracking import fields
from kdpipe.tracking.database import make_ready
from kdpipe.tracking.fields import FINGERPRINT
from kdpipe.tracking.parents import STAGE, STATE, State

PLACE = "place"
RUNS_PAGE, MODELS_PAGE = 5000, 1000  # entries per request; MLflow allows no more models

# An unavailable tracking server must not delay a training for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# What they log are the tables that are created, errors that are also raised, and that pip has no version.
for name in ("mlflow.store.db.utils", "mlflow.utils.environment"):
    logging.getLogger(name).setLevel(logging.CRITICAL)


def place() -> str:
    """Return a name for this repository on this machine."""
    return f"{platform.node()}:{project_root()}"


T = TypeVar("T")


@dataclass(frozen=True)
class RunIndex:
    """The ids of all runs of an experiment, and its training runs by fingerprint, finished ones first."""

    ids: set[str]
    of_cells: dict[str, list[Run]]


class Store:
    """One experiment in one MLflow store."""

    def __init__(self, tracking: Tracking) -> None:
        """Connect; create the tables and the experiment on first use.

        Raises:
            KdpipeError: if the database cannot be used, or the experiment is deleted.
            mlflow.exceptions.MlflowException: if the store cannot be reached.
        """
        self.uri, self.shown_uri = tracking_uri(tracking), shown_uri(tracking)
        self.experiment = tracking.experiment
        self._parents: dict[str, Run] = {}
        state_dir().mkdir(exist_ok=True)
        # Processes that create the tables of one sqlite file at the same time break it.
        with self._alone():
            if database := database_file(tracking):
                make_ready(database)
            # Models are registered where their runs are, whatever MLFLOW_REGISTRY_URI says.
            self.client = MlflowClient(self.uri, registry_uri=self.uri)
            # Without a location, MLflow would store this process's working directory.
            home = database.parent if database else project_root()
            artifacts = None if is_server(tracking) else (home / "mlartifacts" / self.experiment).as_uri()
            self.experiment_id = self._find_or_create(artifacts)

    def runs_of(self, fingerprint: str) -> list[Run]:
        """Return the runs of a training, finished ones first; several if two machines trained it."""
        return sorted(self._search(f"tags.{FINGERPRINT} = '{fingerprint}'"), key=_unfinished)

    def runs_here(self, fingerprint: str) -> list[Run]:
        """Return those that this repository on this machine has logged, or nobody knows who."""
        found = self.runs_of(fingerprint)
        return [run for run in found if run.data.tags.get(PLACE, place()) == place()]

    def runs(self) -> RunIndex:
        """Return all runs of the experiment."""
        ids, found = set(), defaultdict(list)
        for run in self._search(""):
            ids.add(run.info.run_id)
            if FINGERPRINT in run.data.tags:
                found[run.data.tags[FINGERPRINT]].append(run)
        return RunIndex(ids, {cell: sorted(same, key=_unfinished) for cell, same in found.items()})

    def model_name(self, pair: str) -> str:
        """Return the name of a pair's registered model; MLflow allows no slash and no colon."""
        return f"{re.sub('[/:]', '-', self.experiment)}-{pair}"

    def models(self) -> Iterator[RegisteredModel]:
        """Yield the registered models of this experiment's pairs."""
        query = f"name LIKE '{self.model_name('%')}'"
        yield from _pages(
            lambda token: self.client.search_registered_models(query, MODELS_PAGE, page_token=token)
        )

    def running_here(self) -> list[Run]:
        """Return the runs that are marked as running in this repository on this machine."""
        running = self._search("attributes.status = 'RUNNING'")
        return [run for run in running if run.data.tags.get(PLACE) == place()]

    def new_run(self, identity: Identity, started: float) -> str:
        """Create a run for a training that began at `started` (seconds since 1970), with its data set."""
        tags = {FINGERPRINT: identity.fingerprint}
        run = self.client.create_run(self.experiment_id, round(started * 1000), tags, identity.cell)
        self.client.log_inputs(run.info.run_id, datasets=fields.datasets(identity))
        return str(run.info.run_id)

    def parent(self, state: State, *, started: float, finished: float) -> str:
        """Return the id of a state's parent run, created or extended to cover a training.

        Args:
            state: The state of the pipeline.
            started: Start of the training, in seconds since 1970.
            finished: End of the training, or the current time, in seconds since 1970.
        """
        end = round(finished * 1000)
        run = self._parents.get(state.key)
        if run is None or run.info.end_time < end:
            with self._alone():
                run = self._find_parent(state) or self._new_parent(state, round(started * 1000))
                if (run.info.end_time or 0) < end:
                    self.client.set_terminated(run.info.run_id, "FINISHED", end)
                self._parents[state.key] = run = self.client.get_run(run.info.run_id)
        return str(run.info.run_id)

    def _find_parent(self, state: State) -> Run | None:
        query = f"tags.{STATE} = '{state.key}' and tags.stage = '{STAGE}'"
        found = sorted(self._search(query), key=lambda run: run.info.start_time)
        for other in found[1:]:  # created by another machine at the same time
            self.client.delete_run(other.info.run_id)
        return found[0] if found else None

    def _new_parent(self, state: State, begin: int) -> Run:
        tags = {tag.key: tag.value for tag in state.tags()}
        run = self.client.create_run(self.experiment_id, begin, tags, state.name)
        self.client.log_batch(run.info.run_id, params=state.entries())
        return run

    def _search(self, query: str) -> Iterator[Run]:
        search, experiments = self.client.search_runs, [self.experiment_id]
        yield from _pages(lambda token: search(experiments, query, max_results=RUNS_PAGE, page_token=token))

    def _alone(self) -> FileLock:
        return FileLock(state_dir() / "mlflow.lock")

    def _find_or_create(self, artifacts: str | None) -> str:
        experiment = self.client.get_experiment_by_name(self.experiment)
        if experiment is not None:
            self._check_active(experiment)
            return str(experiment.experiment_id)
        try:
            return str(self.client.create_experiment(self.experiment, artifact_location=artifacts))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return self._find_or_create(artifacts)  # another machine has just created it

    def _check_active(self, experiment: Experiment) -> None:
        if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
            raise KdpipeError(
                f"the experiment {self.experiment!r} is deleted in MLflow at {self.shown_uri}; restore it: "
                f"`mlflow experiments restore --experiment-id {experiment.experiment_id}` with "
                f"MLFLOW_TRACKING_URI set to that address, or write another tracking.experiment"
            )


def _pages(search: Callable[[str | None], PagedList[T]]) -> Iterator[T]:
    token = None
    while token != "":
        page = search(token)
        yield from page
        token = page.token or ""


def _unfinished(run: Run) -> bool:
    return bool(run.info.status != "FINISHED")
