"""Read the files of the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from kdpipe.errors import KdpipeError, damaged
from kdpipe.report.write import NUMBERS_DIR, REPORTS_DIR

TEXTS = dict.fromkeys(("dis", "class", "pair", "student", "teacher", "model", "cell", "experiment_id"), str)


@dataclass(frozen=True)
class Content:
    """The content of the report.

    `answers` has a sentence per pair. `label` is the metric that is compared, such as mAP50-95, `metric` says
    which one it is here, `split` on which split it is measured, `images` how many images that has, and
    `choice_split` on which the best `dis` is chosen. `numbers` are the tables behind the figures, by name;
    `trainings` has a row per training, split and head. `comparisons` are those of benchmark.json.
    """

    answers: list[str]
    label: str
    metric: str
    split: str
    images: int
    choice_split: str
    warnings: list[str]
    numbers: dict[str, pd.DataFrame] = field(repr=False)
    trainings: pd.DataFrame = field(repr=False)
    comparisons: list[dict[str, Any]] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        """Return the answers."""
        return "\n".join(self.answers)

    @property
    def gains(self) -> pd.DataFrame:
        """A row per pair, `dis` and head; AP and gains are fractions of 1."""
        return self.numbers["gains"]

    @property
    def confirmed(self) -> pd.DataFrame:
        """The gains on the seeds of `kdpipe confirm`; empty if there are none."""
        return self.numbers.get("confirmed", pd.DataFrame())

    @property
    def measured(self) -> pd.DataFrame:
        """The rows of the measured split."""
        return self.trainings[self.trainings["split"] == self.split]


def load_content(reports: Path = REPORTS_DIR) -> Content:
    """Read the report from a folder.

    Raises:
        KdpipeError: if there is no report yet, it is of an older version, or benchmark.json is cut short.
    """
    path = reports / "benchmark.json"
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        numbers = {path.stem: _table(path) for path in sorted((reports / NUMBERS_DIR).glob("*.csv"))}
        trainings = _table(reports / "benchmark.csv")
    except FileNotFoundError as error:
        raise KdpipeError(f"{error.filename} does not exist; run `dvc repro`") from error
    except ValueError as error:
        raise damaged(path, error, "`dvc repro --force --single-item report` makes it again") from error
    if "images" not in said:
        raise KdpipeError(f"{path} is of an older version of kdpipe; run `dvc repro`")
    if "gains" not in numbers:
        raise KdpipeError(f"{reports / NUMBERS_DIR} does not exist; run `dvc repro`")
    return Content(
        answers=said["answers"],
        label=said["label"],
        metric=said["metric"],
        split=said["measured_on"],
        images=said["images"],
        choice_split=said["chosen_on"],
        warnings=said["warnings"],
        numbers=numbers,
        trainings=trainings,
        comparisons=said["comparisons"],
    )


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=TEXTS, keep_default_na=False, na_values=[""])
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
