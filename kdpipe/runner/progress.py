"""The progress of a training, for people: a live bar in a terminal, a line per epoch everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOSSES = ("box", "seg", "pose", "cls", "dis")
SHOWN = (*(f"train/{name}_loss" for name in LOSSES), "metrics/mAP50-95")


class TrainingProgress:
    """Show epochs and batches of one training."""

    def __init__(self, title: str, console: Console) -> None:
        """Show under this title; without a terminal only the lines per epoch are printed."""
        self._title = title
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("batches"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title)

    def __enter__(self) -> Self:
        """Start showing."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal clean."""
        self._bar.stop()

    def start(self, *, start_epoch: int, epochs: int, batches: int) -> None:
        """Say how much there is to do."""
        self._bar.update(self._task, total=epochs * batches, completed=start_epoch * batches)
        if start_epoch:
            self._console.print(f"{self._title}: continuing after epoch {start_epoch} of {epochs}")

    def batch(self) -> None:
        """One more batch is done."""
        self._bar.advance(self._task)

    def epoch(self, epoch: int, epochs: int, seconds: float, values: Mapping[str, float]) -> None:
        """Print the line of a finished epoch."""
        shown = "  ".join(f"{name.split('/')[1]} {values[name]:.3f}" for name in SHOWN if name in values)
        left = seconds / epoch * (epochs - epoch)
        count = f"epoch {epoch:{len(str(epochs))}}/{epochs}"
        times = f"{seconds:.0f} s, about {left:.0f} s left"
        self._console.print(f"{self._title}  {count}  {shown}  {times}", highlight=False)
