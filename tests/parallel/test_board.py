"""What is printed while stages run side by side."""

from __future__ import annotations

import io
import re
import time
from typing import Any

from rich.console import Console

from kdpipe.parallel.board import Board
from kdpipe.parallel.schedule import Outcome


class Named:
    """A stage, as far as it is shown."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_a_stage_that_ends_before_it_was_seen_running_took_time() -> None:
    """Its time goes into the estimate for those that are left."""
    short: Any = Named("train@a-0")
    left: Any = Named("train@a-1")
    said = io.StringIO()
    with Board(Console(file=said)) as board:
        board.show(Outcome([short, left]))
        time.sleep(1.1)
        board.show(Outcome([left], done=[short], ran=[short]))
    seconds = re.findall(r"done train@a-0 in (\d+) s.*about (\d+) s left", said.getvalue(), re.DOTALL)
    assert len(seconds) == 1
    assert all(int(number) >= 1 for number in seconds[0])
