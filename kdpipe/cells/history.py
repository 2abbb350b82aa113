"""The history of a training: a row of losses and metrics per epoch, in a file that grows row by row."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

HISTORY_FILE = "history.csv"
ENDED = "ended"  # when a row was written, in seconds since 1970


class History:
    """A CSV file with a row per epoch, continued when a training is resumed."""

    def __init__(self, path: Path, *, start_epoch: int) -> None:
        """Continue after epoch `start_epoch` (0 for a fresh start): later rows are dropped."""
        self._path = path
        kept = [row for row in read_history(path) if row["epoch"] <= start_epoch]
        self.seconds_before = kept[-1]["seconds"] if kept else 0.0
        write_rows(path, kept)

    def add(self, epoch: int, seconds: float, values: Mapping[str, float]) -> float:
        """Write the row of an epoch (counted from 1) that ended `seconds` after the start.

        Returns:
            When that was, in seconds since 1970.
        """
        ended = time.time()
        append_row(self._path, {"epoch": epoch, "seconds": round(seconds, 3), ENDED: ended, **values})
        return ended


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a history file, epochs as whole numbers; none if there is no file."""
    return [{**row, "epoch": int(row["epoch"])} for row in read_rows(path)]


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Add a row to a CSV file, which begins with the names of its first row."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def write_rows(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Make a CSV file of these rows, none if there are none; until it is whole the one before stays."""
    whole = path.with_name(f"{path.name}.part")
    whole.unlink(missing_ok=True)
    for row in rows:
        append_row(whole, row)
    if whole.exists():
        whole.replace(path)
    else:
        path.unlink(missing_ok=True)


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a CSV file of numbers; none if there is no file.

    Left out is what does not fit the names, or is no number: a line cut short by a kill or a full disk.
    """
    return list(_rows(path)) if path.exists() else []


def _rows(path: Path) -> Iterator[dict[str, float]]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if None not in row and None not in row.values():
                with suppress(ValueError):
                    yield {name: float(value) for name, value in row.items()}
