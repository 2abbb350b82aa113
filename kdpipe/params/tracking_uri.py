"""MLflow addresses of the project, from params.yaml and the environment, without importing MLflow."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from kdpipe.params.schema import UI_HOST, UI_PORT, Tracking
from kdpipe.paths import expanded, project_root

SQLITE = "sqlite:///"
VARIABLE = "MLFLOW_TRACKING_URI"


def tracking_uri(tracking: Tracking) -> str:
    """MLFLOW_TRACKING_URI if set, else `tracking.uri`; SQLite paths are relative to the project root."""
    uri = os.environ.get(VARIABLE) or tracking.uri
    if uri.startswith(SQLITE):
        return SQLITE + str(project_root() / expanded(uri.removeprefix(SQLITE)))
    return uri


def database_file(tracking: Tracking) -> Path | None:
    """The SQLite file behind the tracking URI; None for a server."""
    uri = tracking_uri(tracking)
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def is_server(tracking: Tracking) -> bool:
    """Whether the tracking URI is that of an MLflow server, which keeps the artifacts too."""
    return tracking_uri(tracking).startswith(("http://", "https://"))


def shown_uri(tracking: Tracking) -> str:
    """The tracking URI without a password, for messages."""
    scheme, separator, rest = tracking_uri(tracking).partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{user.partition(':')[0]}{at}{place}"


def run_page(tracking: Tracking, experiment_id: str, run_id: str) -> str:
    """URL of a run in the MLflow UI: on the tracking server, or else on `kdpipe ui`.

    Without the experiment and the workflow type, MLflow shows it among the evaluations of language models.
    """
    uri, address = urlsplit(tracking_uri(tracking)), f"http://{UI_HOST}:{UI_PORT}"
    if is_server(tracking):
        host = uri.netloc.rpartition("@")[2]  # without a password
        address = f"{uri.scheme}://{host}{uri.path.rstrip('/')}"
    return f"{address}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
