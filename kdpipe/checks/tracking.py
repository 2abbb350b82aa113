"""Checks of the keys under `tracking`, without opening the store."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.params.schema import Tracking
from kdpipe.params.tracking_uri import SQLITE, VARIABLE, database_file
from kdpipe.paths import project_root

STORES = "write sqlite:///mlflow.db, or the address of a server such as http://127.0.0.1:5000"
SERVERS, DATABASES = ("http", "https"), ("postgresql", "mysql", "mssql")
DATABRICKS = ("databricks", "databricks-uc", "uc")
WITHOUT_SCHEME = re.compile(r"[\w.-]+:\d+(/.*)?")
# Artifacts are stored in a folder of this name, and MLflow's search language has no escape for quotes.
EXPERIMENT = re.compile(r"\w[\w .:,+()-]*(/\w[\w .:,+()-]*)*")
LONGEST_NAME = 200
LONGEST_WAIT = 3600.0


def tracking_problems(tracking: Tracking) -> Iterator[KdpipeError]:
    """Yield what is wrong with the address of the store, the name of the experiment, and the deadline."""
    given = os.environ.get(VARIABLE)
    if problem := _uri_problem(given or tracking.uri, tracking):
        yield KdpipeError(f"{VARIABLE}: {problem}") if given else ParamsError("tracking.uri", problem)
    if problem := _experiment_problem(tracking.experiment):
        yield ParamsError("tracking.experiment", problem)
    if not 0 < tracking.deadline <= LONGEST_WAIT:
        yield ParamsError(
            "tracking.deadline",
            f"{tracking.deadline:g}: write seconds, above 0 and up to {LONGEST_WAIT:g}, such as 30",
        )


def _uri_problem(uri: str, tracking: Tracking) -> str | None:
    scheme, separator, _ = uri.partition("://")
    kind = scheme.lower().partition("+")[0]
    if uri.startswith(SQLITE):
        return _sqlite_problem(uri, tracking)
    if uri.partition(":")[0] in DATABRICKS:
        return f"{uri!r}: kdpipe does not log to Databricks; {STORES}"
    if not separator or kind == "file":
        return _folder_problem(uri)
    if kind in SERVERS:
        return _server_problem(uri)
    return None if kind in DATABASES else f"{uri!r}: {scheme}:// is no store of MLflow; {STORES}"


def _sqlite_problem(uri: str, tracking: Tracking) -> str | None:
    """Say what is wrong with the path of a file, which the project's own path may be part of."""
    if uri.removeprefix(SQLITE) in ("", ":memory:"):
        return f"{uri!r} names no file; {STORES}"
    if {"'", '"'} <= set(str(root := project_root())):
        return f"{root} holds both ' and \", with which MLflow makes no database; rename that folder"
    path = str(database_file(tracking))
    if "?" not in path and unquote(path) == path:
        return None
    sign = "?" if "?" in path else "%"
    return (
        f"{path} holds a '{sign}', which means something else in the address of a database; rename that "
        "folder, or write sqlite:////FOLDER/mlflow.db with another one"
    )


def _folder_problem(uri: str) -> str:
    """Say what is meant by an address without a scheme, which MLflow takes for a folder."""
    if not uri.strip():
        return f"empty; {STORES}"
    if WITHOUT_SCHEME.fullmatch(uri):
        return f"{uri!r} does not say how to reach it; write http://{uri}"
    if uri.endswith((".db", ".sqlite")):
        return f"{uri!r} is no address; write {SQLITE}{uri.removeprefix('sqlite:').lstrip('/')}"
    return f"{uri!r} is a folder, in which MLflow no longer stores runs; {STORES}"


def _server_problem(uri: str) -> str | None:
    try:
        split = urlsplit(uri)
        if split.hostname and (split.port is None or split.port):
            return None
        reason = "it names no host"
    except ValueError as error:
        reason = str(error)
    return f"{uri!r} is no address of a server ({reason}); write one such as http://127.0.0.1:5000"


def _experiment_problem(name: str) -> str | None:
    if not name.strip():
        return "empty; write a name, such as kdpipe"
    if (size := len(os.fsencode(name))) > LONGEST_NAME:
        return f"a name of {size} bytes; write at most {LONGEST_NAME}"
    if not EXPERIMENT.fullmatch(name) or name != name.strip():
        return (
            f"{name!r}: its artifacts are in a folder of this name; begin with a letter or a digit, and use "
            "letters, digits, spaces and _ . : , + ( ) -, with / only between two names"
        )
    return None
