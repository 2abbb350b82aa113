"""Mistakes a user can mend. They are printed in one place, as one message, with exit code 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import ParamSpec


class KdpipeError(Exception):
    """A mistake in what the user gave. The message says what, where, and what to write instead."""


class ParamsError(KdpipeError):
    """A key of params.yaml that cannot be used as it is written."""

    def __init__(self, key: str, problem: str) -> None:
        """Name the key by its dotted path (`train.epochs`) and say what is wrong with it."""
        super().__init__(f"params.yaml: {key}: {problem}")
        self.key = key


class DataError(KdpipeError):
    """Images or labels that would silently spoil a training."""


class CombinedError(KdpipeError):
    """Several mistakes in params.yaml, to be mended at once."""

    def __init__(self, found: Sequence[KdpipeError]) -> None:
        """List them, a line each."""
        lines = (f"\n  {str(error).removeprefix('params.yaml: ')}" for error in found)
        super().__init__(f"{len(found)} problems in params.yaml:{''.join(lines)}")


def raise_all(found: Sequence[KdpipeError]) -> None:
    """Raise one error for all that were found, if there are any.

    Raises:
        KdpipeError: the only one as it is, or several as one.
    """
    if len(found) == 1:
        raise found[0]
    if found:
        raise CombinedError(found)


Given = ParamSpec("Given")


def raised(function: Callable[Given, object], *args: Given.args, **kwargs: Given.kwargs) -> list[KdpipeError]:
    """What a check that raises has to say: nothing, or its error."""
    try:
        function(*args, **kwargs)
    except KdpipeError as error:
        return [error]
    return []


def did_you_mean(word: str, options: Iterable[str], *, otherwise: str = "") -> str:
    """A hint to append to a message: the nearest known word, or else `otherwise` or all of them."""
    known = [str(option) for option in options]
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return otherwise or f"choose from: {', '.join(known)}"
