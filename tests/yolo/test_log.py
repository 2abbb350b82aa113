"""Logs have each line once, as a terminal would show it in the end."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest

from kdpipe.yolo.log import FinalLines


def written(parts: Iterable[str]) -> str:
    target = io.StringIO()
    lines = FinalLines(target)
    for part in parts:
        lines.write(part)
    lines.end()
    return target.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n", "plain\n"),
        ("of Windows\r\n", "of Windows\n"),
        ("50 %\r100 %\n", "100 %\n"),
        ("50 %\r100 %\r\n", "100 %\n"),
        ("50 %\r\r\n", "50 %\n"),
        ("\r\x1b[K50 %\r\x1b[K100 %\nnext\n", "100 %\nnext\n"),
        ("100 %\r\x1b[K\n", "100 %\n"),
        ("\x1b[34m\x1b[1mtrain: \x1b[0mok\n", "train: ok\n"),
        ("\n\n", "\n\n"),
        ("not complete", "not complete\n"),
    ],
)
def test_lines_are_the_same_however_they_come(text: str, shown: str) -> None:
    assert written([text]) == shown
    assert written(text) == shown
    for cut in range(len(text)):
        assert written([text[:cut], text[cut:]]) == shown
