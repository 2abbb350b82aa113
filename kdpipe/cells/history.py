"""History of a training: a CSV file that gets one row of losses and metrics per epoch."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

HISTORY_FILE = "history.csv"
ENDED = "ended"  # time at which the row was written, in seconds since 1970


class History:
    """A CSV file with one row per epoch; a resumed training appends to it."""

    def __init__(self, path: Path, *, start_epoch: int) -> None:
        """Continue after epoch `start_epoch` (0 for a new training) and drop later rows."""
        self._path = path
        kept = [row for row in read_history(path) if row["epoch"] <= start_epoch]
        self.seconds_before = kept[-1]["seconds"] if kept else 0.0
        write_rows(path, kept)

    def add(self, epoch: int, seconds: float, values: Mapping[str, float]) -> float:
        """Append the row of a finished epoch.

        Args:
            epoch: Number of the epoch, starting at 1.
            seconds: Training time so far.
            values: Losses and metrics by name.

        Returns:
            The time of writing, in seconds since 1970.
        """
        ended = time.time()
        append_row(self._path, {"epoch": epoch, "seconds": round(seconds, 3), ENDED: ended, **values})
        return ended


def read_history(path: Path) -> list[dict[str, float]]:
    """Rows of a history file, with the epoch as int; empty if the file does not exist."""
    return [{**row, "epoch": int(row["epoch"])} for row in read_rows(path)]


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Append a row to a CSV file; a new file begins with a header of the names in `row`."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def write_rows(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Replace a CSV file by these rows in one step, or delete it if there are no rows."""
    whole = path.with_name(f"{path.name}.part")
    whole.unlink(missing_ok=True)
    for row in rows:
        append_row(whole, row)
    if whole.exists():
        whole.replace(path)
    else:
        path.unlink(missing_ok=True)


def read_rows(path: Path) -> list[dict[str, float]]:
    """Rows of a CSV file of numbers; empty if the file does not exist.

    Incomplete rows and values that are not numbers are skipped: a kill or a full disk may cut off the last
    line.
    """
    return list(_rows(path)) if path.exists() else []


def _rows(path: Path) -> Iterator[dict[str, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if None not in row and None not in row.values():
                with suppress(ValueError):
                    yield {name: float(value) for name, value in row.items()}
