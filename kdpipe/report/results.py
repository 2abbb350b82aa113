"""From MLflow's runs to the results that are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kdpipe.stats import NO_DEVIATIONS, Measured
from kdpipe.tasks import TASKS, Task
from kdpipe.zoo import DEFAULT_IMGSZ, HEADS

METRIC = "coco/AP"
OWN_METRIC = "mAP50-95"  # Ultralytics' own
BOX_METRIC, OWN_BOX_METRIC = "coco/box/AP", "box/mAP50-95"  # where boxes are not what is measured
TAGS = {"kind": "stage", **{name: name for name in ("pair", "student", "teacher", "dis", "seed")}}
PARAMS = {"data": "data.source", "model": "model", "init": "init", "epochs": "train.epochs"}
NO_DIS = "none"  # of a finished student, whose `dis` is not known
COSTS = ("seconds", "peak_memory_mib", "parameters", "gflops", "file_bytes")
OF_A_CLASS = "coco/class/"
NOT_OVERALL = ("class/", OF_A_CLASS, "ms/")

Resamples = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Deviations over half samples: by cell, then by `split/head`."""


@dataclass(frozen=True)
class Results:
    """What the runs say.

    `table` has one line per run, split and head, with the columns cell, kind, pair, student, teacher,
    dis (text, as in params.yaml), seed, data, model, init, epochs, imgsz, run_id, split, head, the costs,
    and one per overall metric. `classes` has one line per run, split, head and class, with its AP.
    `splits` are in the order of params.yaml. All are of one `task`.
    """

    table: pd.DataFrame
    classes: pd.DataFrame
    splits: list[str]
    resamples: Resamples
    task: Task

    @property
    def choice_split(self) -> str:
        """On which the best `dis` is chosen."""
        return self.splits[0]

    @property
    def split(self) -> str:
        """On which everything is measured."""
        return self.splits[-1]

    def measured(self, split: str, head: str, **where: object) -> dict[int, Measured]:
        """COCO AP by seed of the lines that match, for example `kind="distill", pair="n-s"`."""
        key = f"{split}/{head}"
        found = {}
        for _, line in self.lines(split=split, head=head, **where).iterrows():
            deviations = self.resamples.get(line["cell"], {}).get(key, NO_DEVIATIONS)
            found[int(line["seed"])] = Measured(float(line[METRIC]), deviations)
        return found

    def lines(self, **where: object) -> pd.DataFrame:
        """The lines of the table that match."""
        chosen = self.table
        for column, value in where.items():
            chosen = chosen[chosen[column] == value]
        return chosen


def tidy(runs: pd.DataFrame, splits: Iterable[str], resamples: Resamples) -> Results:
    """The results in the runs, as far as they are of these splits."""
    lines: list[dict[str, object]] = []
    classes: list[dict[str, object]] = []
    found = []
    for split in splits:
        before = len(lines)
        for _, run in runs.iterrows():
            for head in HEADS:
                metrics = _metrics(run, f"metrics.{split}/{head}/")
                if METRIC not in metrics:
                    continue
                place = {"split": split, "head": head}
                overall = {n: v for n, v in metrics.items() if not n.startswith(NOT_OVERALL)}
                lines.append({**_identity(run), **place, **overall, "run_id": run["run_id"]})
                classes += [
                    {"cell": run["tags.cell"], **place, "class": name.removeprefix(OF_A_CLASS), "AP": value}
                    for name, value in metrics.items()
                    if name.startswith(OF_A_CLASS)
                ]
        if len(lines) > before:
            found.append(split)
    table = pd.DataFrame(lines).sort_values(["split", "kind", "cell", "head"], ignore_index=True)
    return Results(table, pd.DataFrame(classes), found, resamples, TASKS[runs["tags.task"].iloc[0]])


def number(dis: str | None) -> float:
    """A `dis` to sort and to draw by; not a number where it is not known."""
    return float("nan") if dis in (None, NO_DIS) else float(dis)


def _identity(run: pd.Series[Any]) -> dict[str, object]:
    found: dict[str, object] = {"cell": run["tags.cell"]}
    found |= {name: _text(run, f"tags.{tag}") for name, tag in TAGS.items()}
    found |= {name: _text(run, f"params.{param}") for name, param in PARAMS.items()}
    if found["kind"] == "distill":
        found["dis"] = found["dis"] or NO_DIS
    found["imgsz"] = int(_text(run, "params.train.imgsz") or DEFAULT_IMGSZ)
    return found | {name: float(run[f"metrics.cost/{name}"]) for name in COSTS}


def _text(run: pd.Series[Any], column: str) -> str | None:
    value = run.get(column)
    return value if isinstance(value, str) else None


def _metrics(run: pd.Series[Any], prefix: str) -> dict[str, float]:
    keys = sorted(str(key) for key in run.index)  # MLflow gives them in any order
    named = {key.removeprefix(prefix): run[key] for key in keys if key.startswith(prefix)}
    return {name: float(value) for name, value in named.items() if pd.notna(value)}
