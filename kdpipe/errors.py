"""Errors that a user can fix. The console prints each as one message, and the exit code is 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import ParamSpec

MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds


class KdpipeError(Exception):
    """An error in the user's input. The message says what is wrong, where, and what to write instead."""


class ParamsError(KdpipeError):
    """A key of params.yaml with a value that cannot be used."""

    def __init__(self, key: str, problem: str) -> None:
        """Take the dotted path of the key (`train.epochs`) and a description of the problem."""
        super().__init__(f"params.yaml: {key}: {problem}")
        self.key = key


class DataError(KdpipeError):
    """Images or labels that would silently spoil a training."""


class CombinedError(KdpipeError):
    """Several errors in params.yaml, reported together."""

    def __init__(self, found: Sequence[KdpipeError]) -> None:
        """List the errors, one per line."""
        lines = (f"\n  {without_file(error)}" for error in found)
        super().__init__(f"{len(found)} problems in params.yaml:{''.join(lines)}")


def without_file(error: KdpipeError) -> str:
    """Return a message about params.yaml where the file is named already."""
    return str(error).removeprefix("params.yaml: ")


def raise_all(found: Sequence[KdpipeError]) -> None:
    """Raise one error for all given errors; do nothing if there are none.

    Raises:
        KdpipeError: a single error unchanged, or several as a CombinedError.
    """
    if len(found) == 1:
        raise found[0]
    if found:
        raise CombinedError(found)


Given = ParamSpec("Given")


def raised(function: Callable[Given, object], *args: Given.args, **kwargs: Given.kwargs) -> list[KdpipeError]:
    """Run a check that raises, and return its error instead.

    Args:
        function: The check.
        *args: Positional arguments of the check.
        **kwargs: Keyword arguments of the check.

    Returns:
        The KdpipeError in a list, or an empty list if the check passes.
    """
    try:
        function(*args, **kwargs)
    except KdpipeError as error:
        return [error]
    return []


def damaged(path: Path, error: Exception, remedy: str) -> KdpipeError:
    """The error for a file of the pipeline that is empty or cut short, as after a full disk.

    Args:
        path: The file.
        error: What its reader said.
        remedy: What makes it again.
    """
    reason = "is empty" if path.stat().st_size == 0 else f"is cut short or damaged ({error})"
    return KdpipeError(f"{path} {reason}; {remedy}")


def counted(number: int, thing: str, things: str = "") -> str:
    """A number with the name of what it counts, such as `1 run` and `2 runs`.

    Args:
        number: The number.
        thing: The name of one.
        things: The name of several, if it is not just an `s` more.
    """
    return f"{number} {thing if number == 1 else things or f'{thing}s'}"


def about(seconds: float) -> str:
    """An estimated duration, such as `about 9 min`."""
    if seconds < MINUTE:
        return "less than a minute"
    for unit, name in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 1.5 * unit:
            return f"about {seconds / unit:.0f} {name}"
    return "about 1 min"


def did_you_mean(word: str, options: Iterable[str], *, otherwise: str = "") -> str:
    """Suggest a valid word, to append to an error message.

    Args:
        word: The word that the user wrote.
        options: All valid words.
        otherwise: The hint if no valid word is similar; by default a list of all valid words.
    """
    known = [str(option) for option in options]
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return otherwise or f"choose from: {', '.join(known)}"
