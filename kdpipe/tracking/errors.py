"""Say what went wrong with a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import Timeout

from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Tracking
from kdpipe.params.tracking_uri import shown_uri


@contextmanager
def reachable(tracking: Tracking) -> Iterator[None]:
    """Raise any error of a store as a KdpipeError that names the store.

    Raises:
        KdpipeError: instead of any error of MLflow, its database, the network or the disk.
    """
    try:
        yield
    except KdpipeError:
        raise
    except Exception as error:
        raise KdpipeError(f"MLflow at {shown_uri(tracking)} cannot be used: {_what(error)}") from error


def reason(tracking: Tracking, error: Exception) -> str:
    """Return what an error of a store was, in one line, for a warning."""
    if isinstance(error, KdpipeError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"MLflow at {shown_uri(tracking)}: {error}"
    if _is_away(error):
        return f"MLflow at {shown_uri(tracking)} is not available: {_what(error)}"
    return f"MLflow at {shown_uri(tracking)}: {_what(error)}"


def _what(error: Exception) -> str:
    lines = (line.strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {' '.join(line for line in lines if line)}"


def _is_away(error: BaseException | None) -> bool:
    """Whether nothing answered: MLflow hides the error of the network in the context of its own."""
    while error is not None:
        if isinstance(error, NoConnection | Timeout):
            return True
        error = error.__cause__ or error.__context__
    return False
