"""The table of what distilling and simulating INT8 bring, alone and together, from stored results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from kdpipe.cells.cell import Cell, baseline_cell, distill_cell
from kdpipe.cells.record import load_record
from kdpipe.params.load import load
from kdpipe.params.schema import Params
from kdpipe.report.comparisons import compare
from kdpipe.report.exports import export_rows
from kdpipe.report.quantized import quantized_rows, table
from kdpipe.report.question import Question
from kdpipe.report.runs import tidy
from kdpipe.stages.report import with_exports
from kdpipe.tracking import finished_cells, sync
from tests.report.test_exports import exported
from tests.reported import SCORES, finish

LOST = {"n-s": (0.04, 0.06), "n-s-int8": (0.01, 0.01)}  # in INT8, by the baseline and the distilled student
FLOATING = {cell: score for cell, score in SCORES.items() if cell.kind != "distill" or cell.dis == 1.0}
SIMULATED = {
    baseline_cell("yolo26n-int8", cell.seed)
    if cell.kind == "baseline"
    else distill_cell("n-s-int8", 1.0, cell.seed): score
    for cell, score in FLOATING.items()
    if cell.kind != "teacher"
}


@pytest.fixture
def params(write_params: Callable[..., Path], tmp_path: Path) -> Params:
    """Two finished pairs, whose students differ in `quantize`."""
    changes = {
        "students": {"yolo26n": {"init": "scratch"}, "yolo26n-int8": {"model": "yolo26n", "init": "scratch"}},
        "pairs": {name: {"student": f"yolo26n{name[3:]}", "teacher": "yolo26s"} for name in LOST},
        "sweep__seeds": [0, 1, 2],
        "export__formats": ["onnx", "onnx-int8"],
    }
    found = load(write_params(**changes))
    for cell, score in (FLOATING | SIMULATED).items():
        finish(cell, score)
        if cell in SIMULATED:
            trained_with(cell, quantize=8)
        lost = LOST["n-s-int8" if cell in SIMULATED else "n-s"][cell.kind == "distill"]
        if cell.kind != "teacher":
            exported(cell, score - lost, "onnx-int8")
            if cell not in SIMULATED:
                exported(cell, score, "onnx")
    found.tracking.uri = f"sqlite:///{tmp_path}/mlflow.db"
    return found


def trained_with(cell: Cell, **arguments: object) -> None:
    record = load_record(cell.train_dir)
    asked = {**record.identity.arguments, **arguments}
    identity = replace(record.identity, student="yolo26n-int8", arguments=asked)
    done = {**record.arguments, **arguments}
    fingerprint = identity.fingerprint
    replace(record, identity=identity, arguments=done, fingerprint=fingerprint).save(cell.train_dir)


def rows_of(params: Params) -> pd.DataFrame:
    finished = finished_cells(FLOATING | SIMULATED)
    runs = [run.to_dictionary() for run in sync(params.tracking, finished).runs.values()]
    results = tidy(runs, ("val", "test"), {one.cell.id: one for one in finished}, Question())
    results = with_exports(params, results)
    return pd.DataFrame(quantized_rows(results, export_rows(results, compare(results, {}))))


def test_each_arm_stands_beside_the_same_without_it(params: Params) -> None:
    rows = rows_of(params)
    assert set(rows["format"]) == {"onnx-int8"}, "only INT8 is measured in all four arms"
    rows = rows[rows["head"].eq("e2e")].set_index("arm")
    assert list(rows.index) == ["neither", "distilled", "quantize", "both"]
    assert rows["AP"].tolist() == pytest.approx([0.37, 0.40, 0.40, 0.45], abs=1e-3)
    assert rows["of distilling"].tolist()[1::2] == pytest.approx([0.03, 0.05], abs=1e-3)
    assert rows["of quantize"].tolist()[2:] == pytest.approx([0.03, 0.05], abs=1e-3)
    assert rows.loc["both", "of quantize low"] <= rows.loc["both", "of quantize"]
    assert rows["of distilling"].isna().tolist() == [True, False, True, False]
    assert rows["of quantize"].isna().tolist() == [True, True, False, False]
    text = table(rows_of(params))
    assert "| n-s, n-s-int8 | onnx-int8 | e2e" in text
    assert "nan" not in text


@pytest.mark.parametrize("changed", [{"epochs": 7}, {"quantize": None}])
def test_students_that_differ_in_more_or_in_nothing_are_no_arms(
    params: Params, changed: dict[str, object]
) -> None:
    for cell in SIMULATED:
        trained_with(cell, **changed)
    if "quantize" in changed:  # then they are exported as all others
        for cell, score in SIMULATED.items():
            exported(cell, score, "onnx")
    assert rows_of(params).empty
