"""Write Ultralytics' output to a readable log file."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TextIO

LOG_FILE = "train.log"
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CUT = re.compile(r"\x1b(\[[0-9;]*)?$")  # an escape sequence that the next text completes


class FinalLines(io.TextIOBase):
    """A stream that writes each line in its final state, as a terminal would show it.

    Progress bars redraw themselves with carriage returns; only their last state is written.
    """

    def __init__(self, target: TextIO) -> None:
        """Write the final lines to `target`."""
        self._target = target
        self._line = ""

    def write(self, text: str) -> int:
        """Process text as a terminal would, and write all complete lines."""
        *complete, self._line = (self._line + text).split("\n")
        for line in complete:
            self._target.write(_last_state(line).rstrip() + "\n")
        if not CUT.search(self._line):
            self._line = _last_state(self._line)
        self._target.flush()
        return len(text)

    def end(self) -> None:
        """Write the line that is not complete yet, if there is one."""
        if self._line.strip():
            self.write("\n")


def _last_state(line: str) -> str:
    """What a terminal shows of a line that redraws itself: a carriage return alone erases nothing."""
    plain = ANSI.sub("", line)
    text = plain.rstrip("\r")
    return text.rsplit("\r", 1)[-1] + plain[len(text) :]


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append everything that Ultralytics logs and prints to a file."""
    from ultralytics.utils import LOGGER

    path.parent.mkdir(parents=True, exist_ok=True)
    handlers, level = LOGGER.handlers[:], LOGGER.level
    with path.open("a", encoding="utf-8") as file:
        lines = FinalLines(file)
        handler = logging.StreamHandler(lines)
        LOGGER.handlers[:] = [handler]
        LOGGER.setLevel(logging.INFO)
        try:
            with redirect_stdout(lines):
                yield
        finally:
            lines.end()
            LOGGER.handlers[:] = handlers
            LOGGER.setLevel(level)
