"""Mistakes a user can mend. They are printed in one place, as one message, with exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class KdpipeError(Exception):
    """A mistake in what the user gave. The message says what, where, and what to write instead."""


class ParamsError(KdpipeError):
    """A key of params.yaml that cannot be used as it is written."""

    def __init__(self, key: str, problem: str) -> None:
        """Name the key by its dotted path (`train.epochs`) and say what is wrong with it."""
        super().__init__(f"params.yaml: {key}: {problem}")


class DataError(KdpipeError):
    """Images or labels that would silently spoil a training."""


def did_you_mean(word: str, options: Iterable[str], *, otherwise: str = "") -> str:
    """A hint to append to a message: the nearest known word, or else `otherwise` or all of them."""
    known = [str(option) for option in options]
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return otherwise or f"choose from: {', '.join(known)}"
