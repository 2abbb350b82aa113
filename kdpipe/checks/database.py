"""Look into MLflow's SQLite file without MLflow, which would try for minutes to open it, or change it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from kdpipe.errors import KdpipeError

BUSY = 20.0  # seconds that another process may write
UNKNOWN = "unknown"


def schema_version(path: Path) -> str | None:
    """Return the version of MLflow's tables in a file; None if there is no file, or no tables in it.

    Raises:
        KdpipeError: if the file cannot be used as a database, or cannot be created.
    """
    try:
        if not path.exists():
            _check_folder(next(folder for folder in path.parents if folder.exists()))
            return None
        for needed in (path, path.parent):  # the journal is written beside the file
            _check_writable(needed)
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", BUSY, uri=True)) as database:
            return _version(database)
    except (sqlite3.Error, OSError) as error:
        raise KdpipeError(
            f"MLflow's database {path} cannot be used: {error}; make it a file that can be read and written, "
            "or move it away: `kdpipe sync` makes a new one from the records"
        ) from error


def _version(database: sqlite3.Connection) -> str | None:
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "runs" not in tables:
        return None
    if "alembic_version" not in tables:
        return UNKNOWN
    return next(
        (str(found) for (found,) in database.execute("SELECT version_num FROM alembic_version")), UNKNOWN
    )


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    _check_writable(folder)


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is not writable")
