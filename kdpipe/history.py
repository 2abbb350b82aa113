"""The history of a training: a row of losses and metrics per epoch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

HISTORY_FILE = "history.csv"


class History:
    """A CSV file with a row per epoch, continued when a training is resumed."""

    def __init__(self, path: Path, *, start_epoch: int) -> None:
        """Continue after epoch `start_epoch` (0 for a fresh start): later rows are dropped."""
        self._path = path
        kept = [row for row in read_history(path) if row["epoch"] <= start_epoch]
        self.seconds_before = kept[-1]["seconds"] if kept else 0.0
        path.unlink(missing_ok=True)
        for row in kept:
            self._append(row)

    def add(self, epoch: int, seconds: float, values: Mapping[str, float]) -> None:
        """Write the row of an epoch (counted from 1) that ended `seconds` after the start."""
        self._append({"epoch": epoch, "seconds": round(seconds, 3), **values})

    def _append(self, row: Mapping[str, float]) -> None:
        new = not self._path.exists()
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a history file, epochs as whole numbers; none if there is no file."""
    return list(_rows(path)) if path.exists() else []


def _rows(path: Path) -> Iterator[dict[str, float]]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if None in row.values():  # a line cut short by a kill
                return
            values = {name: float(value) for name, value in row.items()}
            yield {**values, "epoch": int(values["epoch"])}
