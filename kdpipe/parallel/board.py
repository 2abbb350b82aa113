"""Show the progress of a parallel run: a live table in a terminal, one line per event elsewhere."""

from __future__ import annotations

import time
from collections import defaultdict
from statistics import fmean
from types import TracebackType
from typing import Self

from dvc.stage import Stage
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from kdpipe.parallel.guard import LOG_FILE
from kdpipe.parallel.schedule import Outcome, Running

ROWS = 20  # running stages that are shown
MINUTE = 60


class Board:
    """Shows the progress of a parallel run."""

    def __init__(self, console: Console) -> None:
        """Prepare to print to a console."""
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._started: dict[Stage, float] = {}
        self._looked = time.monotonic()  # at the last refresh
        self._seconds: dict[str, list[float]] = defaultdict(list)  # by kind of stage
        self._told: set[Stage] = set()

    def __enter__(self) -> Self:
        """Start showing."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the live table."""
        self._live.stop()

    def show(self, now: Outcome) -> None:
        """Show the current state of the stages."""
        running = [item for item in now.running.values() if (item.command.folder / LOG_FILE).exists()]
        for item in running:
            if item.stage not in self._started:
                self._started[item.stage] = time.monotonic()
                if not self._live.is_started:
                    self._console.print(f"{item.stage.name} started; log: {item.command.folder / LOG_FILE}")
        for stage in [*now.ran, *now.failed]:
            if stage not in self._told:
                self._told.add(stage)
                self._tell(stage, now)
        if self._live.is_started:
            self._live.update(Group(self._table(running), self._summary(now)), refresh=True)
        self._looked = time.monotonic()

    def _tell(self, stage: Stage, now: Outcome) -> None:
        """Print that a stage has ended; one that was never seen running began after the last refresh."""
        seconds = time.monotonic() - self._started.get(stage, self._looked)
        if stage in now.failed:
            self._console.print(f"[bold red]failed[/] {stage.name}: {escape(now.failed[stage])}")
            return
        self._seconds[_kind(stage)].append(seconds)
        self._console.print(f"[green]done[/] {stage.name} in {_time(seconds)}")
        if not self._live.is_started:
            self._console.print(self._summary(now))

    def _table(self, running: list[Running]) -> Table:
        table = Table("stage", "time", "last line of its log", expand=True)
        table.columns[2].no_wrap, table.columns[2].ratio = True, 1
        for item in running[:ROWS]:
            seconds = time.monotonic() - self._started[item.stage]
            table.add_row(item.stage.name, _time(seconds), Text(item.command.last_words))
        return table

    def _summary(self, now: Outcome) -> str:
        running = sum(item.stage in self._started for item in now.running.values())
        waiting = len(now.waiting) + len(now.running) - running
        parts = [f"{waiting} waiting", f"{running} running"]
        parts += [f"{len(now.done)} done", f"{len(now.failed)} failed"]
        left = self._left(now, max(1, running))
        return " · ".join([*parts, *([f"about {_time(left)} left"] if left else [])])

    def _left(self, now: Outcome, side_by_side: int) -> float | None:
        """Estimate the remaining seconds from the stages of each kind so far; None if a kind has none yet."""
        begun = [item.stage for item in now.running.values()]
        kinds = [_kind(stage) for stage in (*now.waiting, *begun)]
        if not all(kind in self._seconds for kind in kinds):
            return None
        spent = sum(time.monotonic() - self._started[stage] for stage in begun if stage in self._started)
        return max(0.0, sum(fmean(self._seconds[kind]) for kind in kinds) - spent) / side_by_side


def _kind(stage: Stage) -> str:
    return str(stage.name.split("@")[0])


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), MINUTE)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
