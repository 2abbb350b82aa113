"""The report's files, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kdpipe.errors import KdpipeError
from kdpipe.report.write import NUMBERS_DIR, REPORTS_DIR

TEXTS = dict.fromkeys(("dis", "class", "pair", "student", "teacher", "model", "cell"), str)


@dataclass(frozen=True)
class Content:
    """What was reported.

    `numbers` are the tables behind the figures, by name; `cells` has a line per trained cell, split and head;
    `metric` is what mAP50-95 is, `split` where it was measured.
    """

    metric: str
    split: str
    choice_split: str
    warnings: list[str]
    numbers: dict[str, pd.DataFrame]
    cells: pd.DataFrame

    @property
    def measured(self) -> pd.DataFrame:
        """The lines of the measuring split."""
        return self.cells[self.cells["split"] == self.split]


def load_content(reports: Path = REPORTS_DIR) -> Content:
    """Read the reports folder.

    Raises:
        KdpipeError: if nothing was reported yet.
    """
    try:
        said: dict[str, Any] = json.loads((reports / "benchmark.json").read_text())
        numbers = {path.stem: _table(path) for path in sorted((reports / NUMBERS_DIR).glob("*.csv"))}
        cells = _table(reports / "benchmark.csv")
    except FileNotFoundError as error:
        raise KdpipeError(f"{error.filename} is not there; run `dvc repro`") from error
    if "gains" not in numbers:
        raise KdpipeError(f"{reports / NUMBERS_DIR} is not there; run `dvc repro`")
    return Content(said["metric"], said["measured_on"], said["chosen_on"], said["warnings"], numbers, cells)


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=TEXTS, keep_default_na=False, na_values=[""])
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
