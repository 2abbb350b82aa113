"""Convert the runs in MLflow into results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from kdpipe.models.names import DEFAULT_IMGSZ
from kdpipe.models.tasks import TASKS
from kdpipe.params.schema import L2
from kdpipe.report.question import Question
from kdpipe.report.results import METRIC, NO_DIS, Files, Results

KEYS = {
    "kind": "stage",
    **{name: name for name in ("pair", "student", "teacher", "dis", "seed")},
    "data": "data.source",
    "model": "model",
    "init": "init",
    "method": "method",
    "epochs": "train.epochs",
}
COSTS = ("seconds", "peak_memory_mib", "parameters", "gflops", "file_bytes")
PLACE = 2  # split and head come before the name of a metric


def tidy(
    runs: Sequence[Mapping[str, Any]],
    splits: Sequence[str],
    files: Mapping[str, Files],
    question: Question,
) -> Results:
    """Return the results of the runs on these splits.

    Args:
        runs: Runs as returned by MLflow's `Run.to_dictionary`.
        splits: The splits, in the order of params.yaml.
        files: The files of the trainings, by training id.
        question: What the comparison is to answer.
    """
    lines = [line for run in runs for line in _lines(run, splits, files)]
    table = pd.DataFrame(lines).sort_values(["split", "kind", "cell", "head"], ignore_index=True)
    measured = set(table["split"])
    found = [split for split in splits if split in measured]
    return Results(table, found, files, TASKS[runs[0]["data"]["tags"]["task"]], question)


def _lines(
    run: Mapping[str, Any], splits: Sequence[str], files: Mapping[str, Files]
) -> Iterator[dict[str, object]]:
    """Yield a row for each split and head on which a run was measured; its files have what is not logged."""
    data, place = run["data"], {name: run["info"][name] for name in ("experiment_id", "run_id")}
    places: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for column, value in sorted(data["metrics"].items()):  # MLflow's order varies
        split, *rest = column.split("/", PLACE)
        if len(rest) == PLACE and not isnan(value):
            places[split, rest[0]][rest[1]] = value
    identity = _identity(data["tags"], data["params"], data["metrics"])
    for (split, head), metrics in places.items():
        if METRIC in metrics and split in splits:
            details = files[data["tags"]["cell"]].details(split, head)
            yield {**identity, "split": split, "head": head, **details, **metrics, **place}


def _identity(
    tags: Mapping[str, str], params: Mapping[str, str], metrics: Mapping[str, float]
) -> dict[str, object]:
    said = {**tags, **params}  # runs of kdpipe 0.1 have some of them as tags
    found: dict[str, object] = {"cell": tags["cell"]}
    found |= {name: said.get(key) for name, key in KEYS.items()}
    if found["kind"] == "distill":
        found["dis"] = found["dis"] or NO_DIS
        # Runs of kdpipe 0.1 do not have it, and of a finished student it is not known.
        found["method"] = found["method"] or (NO_DIS if found["dis"] == NO_DIS else L2)
    found["imgsz"] = int(params.get("train.imgsz", DEFAULT_IMGSZ))
    return found | {name: metrics[f"cost/{name}"] for name in COSTS}
