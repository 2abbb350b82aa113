"""What the report says of exported files, from stored results."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kdpipe.cells.cell import Cell
from kdpipe.cells.exported import DONE_FILE, LATENCY, SIZE, measured_as
from kdpipe.cells.record import load_record, save_metrics
from kdpipe.errors import KdpipeError
from kdpipe.evaluation import RESAMPLES_FILE, save_resamples
from kdpipe.models.to_export import best_dis
from kdpipe.params.load import load
from kdpipe.params.schema import METRICS, Params
from kdpipe.report.comparisons import compare
from kdpipe.report.exports import CHECKPOINT, answers, export_rows, table
from kdpipe.report.question import Question
from kdpipe.report.results import Results
from kdpipe.report.runs import tidy
from kdpipe.stages.report import with_exports
from kdpipe.tracking import finished_cells, sync
from tests.reported import SCORES, evaluated, finish


@pytest.fixture
def params(write_params: Callable[..., Path], tmp_path: Path) -> Params:
    """The comparison of `tests.reported`, finished, with two formats."""
    path = write_params(
        sweep__dis=[1.0, 6], sweep__seeds=[0, 1, 2], export__formats=["onnx", "openvino-int8"]
    )
    found = load(path)
    for cell, score in SCORES.items():
        finish(cell, score)
    found.tracking.uri = f"sqlite:///{tmp_path}/mlflow.db"
    return found


def exported(cell: Cell, score: float, name: str, heads: tuple[str, ...] = ("e2e", "nms")) -> None:
    """Write what stage validate_export leaves of a training."""
    measured = measured_as(cell, name)
    for folder in (measured.val_dir, measured.eval_dir):
        folder.mkdir(parents=True)
    times = dict(zip(LATENCY, (1.0, 1.5, 2.5), strict=True))
    save_metrics(measured.val_dir, {"test": {head: {**times, SIZE: 3e6} for head in heads}})
    save_metrics(measured.eval_dir, {"test": {head: evaluated(score) for head in heads}})
    noise = np.random.default_rng(len(cell.id)).normal(0, 0.002, 200)
    samples = {f"test/{head}/{metric}": noise for head in heads for metric in METRICS}
    save_resamples(samples, measured.eval_dir / RESAMPLES_FILE)
    digest = load_record(cell.train_dir).weights_digest
    (measured.val_dir.parent / DONE_FILE).write_text(json.dumps({"weights": digest}))


def exported_all(name: str, lost_alone: float, lost_taught: float, **options: tuple[str, ...]) -> None:
    """Export all students of the best `dis`, which is 1.0, with the same loss for every seed."""
    for cell, score in SCORES.items():
        if cell.kind == "baseline" or cell.dis == 1.0:
            exported(cell, score - (lost_taught if cell.dis else lost_alone), name, **options)


def results_of(params: Params) -> Results:
    finished = finished_cells(SCORES)
    runs = [run.to_dictionary() for run in sync(params.tracking, finished).runs.values()]
    results = tidy(runs, ("val", "test"), {one.cell.id: one for one in finished}, Question())
    return with_exports(params, results)


def rows_of(params: Params) -> pd.DataFrame:
    results = results_of(params)
    return pd.DataFrame(export_rows(results, compare(results, {})))


def test_the_gain_of_each_format_stands_beside_that_of_the_checkpoints(params: Params) -> None:
    exported_all("onnx", 0.0, 0.0)
    exported_all("openvino-int8", 0.02, 0.03)
    rows = rows_of(params).set_index(["head", "format"])
    assert list(rows.loc["e2e"].index) == [CHECKPOINT, "onnx", "openvino-int8"]
    before, same, less = (rows.loc["e2e", name] for name in (CHECKPOINT, "onnx", "openvino-int8"))
    assert before["gain"] == pytest.approx(0.05, abs=1e-3)
    assert (same["gain"], same["change"]) == (pytest.approx(before["gain"]), pytest.approx(0))
    assert (same["low"], same["high"]) == (pytest.approx(before["low"]), pytest.approx(before["high"]))
    assert less["cost baseline"] == pytest.approx(-0.02)
    assert less["cost distilled"] == pytest.approx(-0.03)
    assert less["change"] == pytest.approx(-0.01)
    assert less["gain"] == pytest.approx(before["gain"] - 0.01)


def test_a_gain_survives_or_it_does_not(params: Params) -> None:
    exported_all("onnx", 0.0, 0.005)
    exported_all("openvino-int8", 0.0, 0.06)
    rows = rows_of(params)
    kept, lost = answers(rows)
    assert "survives onnx (n-s, e2e head)" in kept
    assert "does not survive openvino-int8 (n-s, e2e head)" in lost
    assert "a change of -6.0 [-6.0, -6.0] points" in lost


def test_a_smaller_gain_that_is_not_sure_is_not_gone(params: Params) -> None:
    """Every seed of the distilled students loses 4.4 of 5 points, some a little less: 0.6 are left."""
    params.export.formats = ["onnx"]
    for cell, score in SCORES.items():
        if cell.kind == "baseline":
            exported(cell, score, "onnx")
        elif cell.dis == 1.0:
            exported(cell, score - 0.044 + 0.006 * (cell.seed - 1), "onnx")
    rows = rows_of(params)
    (line,) = rows.query("head == 'e2e' and format == 'onnx'").to_dict("records")
    assert line["verdict"] == "undecided"
    assert line["change high"] < 0
    (sentence,) = answers(rows)
    assert "is not sure any more in onnx (n-s, e2e head)" in sentence


def test_one_seed_alone_is_named(params: Params) -> None:
    exported_all("onnx", 0.0, 0.005)
    params.export.formats = ["onnx"]
    results = results_of(params)
    unlike = {f"distill/n-s/1.0/{seed}": "trained with another torch" for seed in (1, 2)}
    rows = pd.DataFrame(export_rows(results, compare(results, unlike)))
    (sentence,) = answers(rows)
    assert "survives onnx (n-s, e2e head)" in sentence
    assert sentence.endswith(" points (one seed).")


def test_seeds_that_must_not_be_compared_are_left_out_in_every_format(params: Params) -> None:
    exported_all("onnx", 0.0, 0.0)
    params.export.formats = ["onnx"]
    results = results_of(params)
    found = compare(results, {"distill/n-s/1.0/1": "trained with another torch"})
    rows = pd.DataFrame(export_rows(results, found)).query("head == 'e2e'").set_index("format")
    assert rows.loc["onnx", "gain"] == pytest.approx(rows.loc[CHECKPOINT, "gain"])
    assert rows.loc["onnx", "baseline"] == pytest.approx((0.40 + 0.41) / 2)


def test_results_of_another_checkpoint_are_none(params: Params) -> None:
    """As after another training, before the stages of its exported files have run again."""
    exported_all("onnx", 0.0, 0.0)
    params.export.formats = ["onnx"]
    for cell in SCORES:
        if cell.id == "baseline/yolo26n/0":
            (measured_as(cell, "onnx").val_dir.parent / DONE_FILE).write_text('{"weights": "another"}')
    with pytest.raises(KdpipeError, match="not exported to onnx yet: baseline/yolo26n/0;"):
        results_of(params)
    logged = {one.cell.id: one.overall_metrics for one in finished_cells(SCORES)}
    assert not any(name.startswith("export/") for name in logged["baseline/yolo26n/0"])
    assert any(name.startswith("export/") for name in logged["baseline/yolo26n/1"])


def test_nothing_is_said_to_survive_that_was_not_there(params: Params) -> None:
    exported_all("onnx", 0.0, 0.0)
    params.export.formats = ["onnx"]
    rows = rows_of(params).assign(verdict="undecided")
    (sentence,) = answers(rows)
    assert sentence.startswith("No sure gain to keep in onnx (n-s, e2e head): ")


def test_a_format_without_a_head_has_no_row_of_it(params: Params) -> None:
    """Never the numbers of the other one."""
    exported_all("onnx", 0.0, 0.0, heads=("nms",))
    params.export.formats = ["onnx"]
    rows = rows_of(params)
    assert list(rows[rows["format"] == "onnx"]["head"]) == ["nms"]


def test_what_is_not_exported_yet_is_named(params: Params) -> None:
    exported_all("onnx", 0.0, 0.0)
    with pytest.raises(KdpipeError, match="not exported to openvino-int8 yet: baseline/yolo26n/0, "):
        results_of(params)


def test_a_skipped_format_is_named_below_the_table(params: Params) -> None:
    exported_all("onnx", 0.0, 0.0)
    folder = Path("runs/exported/openvino-int8")
    folder.mkdir(parents=True)
    (folder / "skipped.txt").write_text("it needs a GPU\n")
    results = results_of(params)
    text = table(pd.DataFrame(export_rows(results, compare(results, {}))), results.skipped)
    assert text.endswith("- `openvino-int8` was skipped: it needs a GPU.")
    assert "1.5 (1.0 to 2.5)" in text


def test_the_exported_dis_is_the_one_that_the_report_chooses(params: Params) -> None:
    for head in ("e2e", "nms"):
        asked = replace(params.evaluate.primary, head=head)
        params.evaluate.primary = asked
        finished = finished_cells(SCORES)
        runs = [run.to_dictionary() for run in sync(params.tracking, finished).runs.values()]
        files = {one.cell.id: one for one in finished}
        (best,) = tidy(runs, ("val", "test"), files, Question(head=head)).best
        assert str(best_dis(params, "n-s", "val")) == best.dis


@pytest.mark.usefixtures("params")
def test_runs_have_the_metrics_of_their_exported_files() -> None:
    exported_all("onnx", 0.01, 0.0)
    finished = {one.cell.id: one for one in finished_cells(SCORES)}
    logged = finished["baseline/yolo26n/0"].overall_metrics
    assert logged["export/onnx/test/e2e/coco/AP"] == pytest.approx(0.39)
    assert logged["export/onnx/test/nms/latency/median"] == 1.5
    assert not any("export" in name for name in finished["teacher/yolo26s"].overall_metrics)
