"""The SQLite file of a store: checked before MLflow opens it and changes it without a copy; created whole."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from shlex import quote

from kdpipe.checks.database import schema_version
from kdpipe.errors import KdpipeError
from kdpipe.params.tracking_uri import SQLITE


def make_ready(path: Path) -> None:
    """Check that a file can be used as the database of this MLflow; create it if it is not there.

    Raises:
        KdpipeError: if it cannot be opened, is no database, or is one of another version of MLflow.
    """
    found = schema_version(path)
    if found is not None and found != (expected := _expected_version()):
        raise KdpipeError(
            f"{path} is a database of another version of MLflow (schema {found}, this one's is {expected}); "
            f"copy it, then run `mlflow db upgrade {quote(f'{SQLITE}{path}')}`, or move it away: "
            "`kdpipe sync` makes a new one from the records"
        )
    if found is None and not path.exists():
        _create(path)


def _create(path: Path) -> None:
    """Create the tables in another file first: MLflow cannot use what a killed process leaves half done."""
    from mlflow import MlflowClient

    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    MlflowClient(f"{SQLITE}{part}").search_experiments(max_results=1)
    part.replace(path)


@cache
def _expected_version() -> str:
    from mlflow.store.db.utils import _get_latest_schema_revision  # imports what servers do not need

    return str(_get_latest_schema_revision())  # type: ignore[no-untyped-call]
