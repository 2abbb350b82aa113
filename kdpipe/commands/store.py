"""Find out before any training whether the MLflow store can be used."""

from __future__ import annotations

import os

from kdpipe.checks.database import schema_version
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Tracking
from kdpipe.params.tracking_uri import database_file, tracking_uri

REGISTRY = "MLFLOW_REGISTRY_URI"
AWAY = "trainings run without it, but the report stage fails"


def store_warnings(tracking: Tracking) -> list[str]:
    """Return warnings about a store that does not answer now, or a registry that is not used.

    Raises:
        KdpipeError: if the store is there, but cannot be used.
    """
    problem, away = _problem(tracking)
    if problem and not away:
        raise KdpipeError(problem)
    return [*([f"{problem}; {AWAY}"] if problem else []), *registry_warnings(tracking)]


def store_problem(tracking: Tracking) -> str | None:
    """Return why the store cannot be used; None if it can."""
    problem, _ = _problem(tracking)
    return f"{problem}; {AWAY}" if problem else None


def registry_warnings(tracking: Tracking) -> list[str]:
    """Return a warning if the environment names a registry of models elsewhere."""
    registry = os.environ.get(REGISTRY)
    if not registry or registry in (tracking.uri, tracking_uri(tracking)):
        return []
    return [f"{REGISTRY} is set, but not used: models are registered where their runs are logged"]


def _problem(tracking: Tracking) -> tuple[str | None, bool]:
    """Return what is wrong with the store, and whether it may only be away; open it within its deadline."""
    file = database_file(tracking)
    if file and not file.exists():  # it is not created here, and MLflow takes seconds to import
        try:
            schema_version(file)
        except KdpipeError as error:
            return str(error), False
        return None, False
    from kdpipe.tracking import Deadline, Store, reason

    failure = Deadline(tracking.deadline).run(lambda: Store(tracking))
    return (reason(tracking, failure), not isinstance(failure, KdpipeError)) if failure else (None, False)
