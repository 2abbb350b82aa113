"""The MLflow store of a project: where it is, its experiment, and the run of a cell."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from kdpipe.config import Tracking
from kdpipe.paths import project_root, state_dir

SQLITE = "sqlite:///"
FINGERPRINT = "fingerprint"
PLACE = "place"

# A tracking server that is away must not hold up a training for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


def tracking_uri(tracking: Tracking) -> str:
    """MLFLOW_TRACKING_URI if set, else `tracking.uri`; sqlite files start from the project's root."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri
    if uri.startswith(SQLITE):
        return SQLITE + str(project_root() / uri.removeprefix(SQLITE))
    return uri


def place() -> str:
    """This repository on this machine."""
    return f"{platform.node()}:{project_root()}"


class Store:
    """One experiment in one MLflow store."""

    def __init__(self, tracking: Tracking) -> None:
        """Connect, and create tables and experiment if this is the first use.

        Raises:
            mlflow.exceptions.MlflowException: if the store cannot be reached.
        """
        self.uri = tracking_uri(tracking)
        self.experiment = tracking.experiment
        state_dir().mkdir(exist_ok=True)
        # Several processes that create the tables of one sqlite file at once break it.
        with FileLock(state_dir() / "mlflow.lock"):
            self.client = MlflowClient(self.uri)
            self.experiment_id = self._find_or_create()

    def runs_of(self, fingerprint: str) -> list[Run]:
        """The runs of a cell, finished ones first; several where two machines trained it."""
        found = self.client.search_runs([self.experiment_id], f"tags.{FINGERPRINT} = '{fingerprint}'")
        return sorted(found, key=lambda run: bool(run.info.status != "FINISHED"))

    def running_here(self) -> list[Run]:
        """The runs that are marked as running in this repository on this machine."""
        running = self.client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'")
        return [run for run in running if run.data.tags.get(PLACE) == place()]

    def use(self) -> None:
        """Make this the store of MLflow's global functions."""
        mlflow.set_tracking_uri(self.uri)

    def _find_or_create(self) -> str:
        experiment = self.client.get_experiment_by_name(self.experiment)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = None
        if self.uri.startswith(SQLITE):
            # Without it, MLflow would remember the directory that this process happens to run in.
            folder = Path(self.uri.removeprefix(SQLITE)).parent / "mlartifacts" / self.experiment
            location = folder.as_uri()
        try:
            return str(self.client.create_experiment(self.experiment, artifact_location=location))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return self._find_or_create()  # another machine was faster
