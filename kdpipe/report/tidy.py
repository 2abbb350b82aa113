"""From MLflow's runs to results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from kdpipe.report.results import METRIC, NO_DIS, Files, Results
from kdpipe.tasks import TASKS
from kdpipe.zoo import DEFAULT_IMGSZ, HEADS

TAGS = {"kind": "stage", **{name: name for name in ("pair", "student", "teacher", "dis", "seed")}}
PARAMS = {"data": "data.source", "model": "model", "init": "init", "epochs": "train.epochs"}
COSTS = ("seconds", "peak_memory_mib", "parameters", "gflops", "file_bytes")
SPEED = "ms/"


def tidy(runs: pd.DataFrame, splits: Iterable[str], files: Mapping[str, Files]) -> Results:
    """The results in the runs, as far as they are of these splits; `files` are the cells' own, by cell."""
    lines: list[dict[str, object]] = []
    found = []
    known = [(run, _identity(run)) for run in runs.to_dict("records")]
    for split in splits:
        before = len(lines)
        for head in HEADS:
            columns, place = _columns(runs, split, head), {"split": split, "head": head}
            for run, identity in known:
                metrics = {name: float(run[column]) for column, name in columns if pd.notna(run[column])}
                if METRIC in metrics:
                    lines.append({**identity, **place, **metrics, "run_id": run["run_id"]})
        if len(lines) > before:
            found.append(split)
    table = pd.DataFrame(lines).sort_values(["split", "kind", "cell", "head"], ignore_index=True)
    return Results(table, found, files, TASKS[runs["tags.task"].iloc[0]])


def _identity(run: Mapping[Any, Any]) -> dict[str, object]:
    found: dict[str, object] = {"cell": run["tags.cell"]}
    found |= {name: _text(run, f"tags.{tag}") for name, tag in TAGS.items()}
    found |= {name: _text(run, f"params.{param}") for name, param in PARAMS.items()}
    if found["kind"] == "distill":
        found["dis"] = found["dis"] or NO_DIS
    found["imgsz"] = int(_text(run, "params.train.imgsz") or DEFAULT_IMGSZ)
    return found | {name: float(run[f"metrics.cost/{name}"]) for name in COSTS}


def _text(run: Mapping[Any, Any], column: str) -> str | None:
    value = run.get(column)
    return value if isinstance(value, str) else None


def _columns(runs: pd.DataFrame, split: str, head: str) -> list[tuple[str, str]]:
    """The columns of a head's metrics on a split, and the names of these metrics."""
    prefix = f"metrics.{split}/{head}/"
    columns = sorted(name for name in map(str, runs) if name.startswith(prefix))  # MLflow's order varies
    named = [(column, column.removeprefix(prefix)) for column in columns]
    return [(column, name) for column, name in named if not name.startswith(SPEED)]
