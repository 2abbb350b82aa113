"""From MLflow's runs to the results that are compared."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kdpipe.zoo import DEFAULT_IMGSZ, HEADS

METRIC = "mAP50-95"
COLUMNS = ["kind", "pair", "student", "teacher", "dis", "seed"]
TAG_OF = {"kind": "stage"}


def tidy(runs: pd.DataFrame, split: str) -> pd.DataFrame:
    """One line per run and head: what was trained, on which head, with which metrics.

    Columns: cell, kind, pair, student, teacher, dis (text, as in params.yaml), seed, imgsz,
    parameters, head, one per overall metric, run_id.
    """
    lines = [
        {**_identity(run), "head": head, **metrics, "run_id": run["run_id"]}
        for _, run in runs.iterrows()
        for head in HEADS
        if (metrics := _metrics(run, f"metrics.{split}/{head}/"))
    ]
    table = pd.DataFrame(lines)
    return table.sort_values(["kind", "cell", "head"], ignore_index=True) if lines else table


def per_seed(results: pd.DataFrame, head: str, **where: str) -> dict[int, float]:
    """mAP50-95 by seed of the lines that match."""
    chosen = results[results["head"] == head]
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    return {int(seed): float(value) for seed, value in zip(chosen["seed"], chosen[METRIC], strict=True)}


def _identity(run: pd.Series[Any]) -> dict[str, object]:
    found: dict[str, object] = {"cell": run["tags.cell"]}
    found |= {name: _text(run, f"tags.{TAG_OF.get(name, name)}") for name in COLUMNS}
    found["imgsz"] = int(_text(run, "params.train.imgsz") or DEFAULT_IMGSZ)
    found["parameters"] = int(run["metrics.cost/parameters"])
    return found


def _text(run: pd.Series[Any], column: str) -> str | None:
    value = run.get(column)
    return value if isinstance(value, str) else None


def _metrics(run: pd.Series[Any], prefix: str) -> dict[str, float]:
    """The overall metrics of one head; classes and timings are in the run."""
    named = {str(key).removeprefix(prefix): run[key] for key in run.index if str(key).startswith(prefix)}
    return {name: float(v) for name, v in named.items() if "/" not in name and pd.notna(v)}
