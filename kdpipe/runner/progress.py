"""Progress display of a training: a live bar in a terminal, and a line per epoch everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOSSES = ("box", "seg", "pose", "cls", "dis")
SHOWN = (*(f"train/{name}_loss" for name in LOSSES), "metrics/mAP50-95")


class TrainingProgress:
    """Shows epochs and batches of one training."""

    def __init__(self, title: str, console: Console) -> None:
        """Set the title; without a terminal only the lines per epoch are printed."""
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
        """Start the live bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the live bar."""
        self._bar.stop()

    def start(self, *, start_epoch: int, epochs: int, batches: int) -> None:
        """Set the total number of batches.

        Args:
            start_epoch: Number of finished epochs, above 0 if the training is resumed.
            epochs: Number of epochs of the training.
            batches: Batches per epoch.
        """
        self._bar.update(self._task, total=epochs * batches, completed=start_epoch * batches)
        if start_epoch:
            self._console.print(f"{self._title}: continuing after epoch {start_epoch} of {epochs}")

    def batch(self) -> None:
        """Advance the bar by one batch."""
        self._bar.advance(self._task)

    def epoch(self, epoch: int, epochs: int, seconds: float, values: Mapping[str, float]) -> None:
        """Print the line of a finished epoch.

        Args:
            epoch: Number of the epoch, starting at 1.
            epochs: Number of epochs of the training.
            seconds: Training time so far.
            values: Losses and metrics by name.
        """
        shown = "  ".join(f"{name.split('/')[1]} {values[name]:.3f}" for name in SHOWN if name in values)
        left = seconds / epoch * (epochs - epoch)
        count = f"epoch {epoch:{len(str(epochs))}}/{epochs}"
        times = f"{seconds:.0f} s, about {left:.0f} s left"
        self._console.print(f"{self._title}  {count}  {shown}  {times}", highlight=False)
