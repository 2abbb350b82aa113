"""Check the SQLite file of a store before MLflow opens it, and changes it without a copy."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from shlex import quote

from kdpipe.checks.database import schema_version
from kdpipe.errors import KdpipeError
from kdpipe.params.tracking_uri import SQLITE


def check_database(path: Path) -> None:
    """Check that a file can be used as the database of this MLflow, or can be created.

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


@cache
def _expected_version() -> str:
    from mlflow.store.db.utils import _get_latest_schema_revision  # imports what servers do not need

    return str(_get_latest_schema_revision())  # type: ignore[no-untyped-call]
