"""The report from real runs in a real MLflow store; only the trainings are made up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from kdpipe.cells import Cell, baseline_cell, distill_cell, teacher_cell
from kdpipe.config import Tracking
from kdpipe.errors import KdpipeError
from kdpipe.records import Identity, Record, save_metrics, unlike_pairs
from kdpipe.report.files import Report, write_report
from kdpipe.report.readme import END, START, with_table
from kdpipe.tracking import Store, finished_cells, publish, runs_table

SCORES = {  # cell: mAP50-95 on the e2e head; the classical head has 0.01 more
    teacher_cell("yolo26s"): 0.50,
    baseline_cell("yolo26n", 0): 0.40,
    baseline_cell("yolo26n", 1): 0.42,
    baseline_cell("yolo26n", 2): 0.41,
    distill_cell("n-s", 1.0, 0): 0.45,
    distill_cell("n-s", 1.0, 1): 0.471,
    distill_cell("n-s", 1.0, 2): 0.459,
    distill_cell("n-s", 6, 0): 0.30,
    distill_cell("n-s", 6, 1): 0.48,
    distill_cell("n-s", 6, 2): 0.42,
}


def record_of(cell: Cell) -> Record:
    identity = Identity(
        cell=cell.id,
        kind=cell.kind,
        task="detect",
        seed=cell.seed,
        model="yolo26s" if cell.kind == "teacher" else "yolo26n",
        init="scratch",
        init_digest=None,
        data="digits",
        data_digest="d" * 32,
        arguments={"epochs": 2},
        student=None if cell.kind == "teacher" else "yolo26n",
        teacher="yolo26s" if cell.kind == "distill" else None,
        pair=cell.name if cell.kind == "distill" else None,
        dis=cell.dis,
    )
    return Record(
        identity=identity,
        fingerprint=identity.fingerprint,
        arguments={"epochs": 2, "imgsz": 96, "batch": 16, "optimizer": "AdamW", "device": "cpu"},
        epochs=2,
        parameters=2_500_000,
        weights_digest="w" * 32,
        seconds=10.0,
        peak_memory_mib=900,
        started=1_700_000_000.0,
        finished=1_700_000_010.0,
        environment={"git_commit": "abc"},
    )


def finish(cell: Cell, score: float, heads: tuple[str, ...] = ("e2e", "nms")) -> None:
    """Write what a trained and validated cell leaves on disk."""
    cell.train_dir.mkdir(parents=True)
    cell.val_dir.mkdir(parents=True)
    rows = "epoch,seconds,train/box_loss,metrics/mAP50-95\n1,4.0,2.5,0.1\n2,9.0,2.0,0.2\n"
    (cell.train_dir / "history.csv").write_text(rows)
    record_of(cell).save(cell.train_dir)
    values = {"e2e": score, "nms": score + 0.01}
    metrics = {head: {"mAP50-95": values[head], "mAP50": 0.6, "class/0": 0.3} for head in heads}
    save_metrics(cell.val_dir, {"val": metrics})


def report(cells: list[Cell]) -> Report:
    store = Store(Tracking(experiment="test"))
    finished = finished_cells(cells)
    for cell in finished:
        publish(store, cell)
    runs = runs_table(store, [cell.record.fingerprint for cell in finished])
    return write_report(runs, {cell.cell.id: cell.history for cell in finished}, "val", ["a note"])


@pytest.fixture
def _finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score)


@pytest.mark.usefixtures("_finished")
def test_every_value_is_that_of_the_run(tmp_path: Path) -> None:
    report(list(SCORES))
    benchmark = json.loads((tmp_path / "reports/benchmark.json").read_text())
    runs = mlflow.search_runs(experiment_names=["test"]).set_index("tags.cell")
    assert len(benchmark["cells"]) == 2 * len(SCORES)
    for cell in benchmark["cells"]:
        run = runs.loc[cell["cell"]]
        assert cell["mAP50-95"] == run[f"metrics.val/{cell['head']}/mAP50-95"]
        assert cell["run_id"] == run["run_id"]
    six = next(row for row in benchmark["every_dis"] if row["dis"] == "6")
    assert six["heads"]["e2e"]["distilled"]["per_seed"] == {"0": 0.3, "1": 0.48, "2": 0.42}
    assert six["heads"]["nms"]["baseline"]["mean"] == pytest.approx(0.42)


@pytest.mark.usefixtures("_finished")
def test_the_best_dis_is_the_best_mean_and_the_verdicts_are_fair(tmp_path: Path) -> None:
    found = report(list(SCORES))
    assert [(row.dis, row.heads["e2e"].gain.verdict) for row in found.rows] == [
        ("1.0", "better"),
        ("6", "within noise"),
    ]
    text = (tmp_path / "reports/benchmark.md").read_text()
    assert "| yolo26n   | yolo26s   | 1.0        |" in text
    assert "46.0 ± 1.1" in text
    assert "**Warning:** a note" in text
    assert json.loads((tmp_path / "reports/metrics.json").read_text())["n-s"]["e2e"]["gain"] == 0.05
    for picture in ("dis.png", "gain.png", "curves.png"):
        assert (tmp_path / "reports/plots" / picture).stat().st_size > 5000


@pytest.mark.usefixtures("_finished")
def test_cells_that_params_no_longer_name_are_not_in_the_table(tmp_path: Path) -> None:
    report(list(SCORES))
    report([cell for cell in SCORES if cell.dis != 6])
    benchmark = json.loads((tmp_path / "reports/benchmark.json").read_text())
    assert [row["dis"] for row in benchmark["every_dis"]] == ["1.0"]


def test_a_teacher_that_is_no_better_is_said_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, 0.38 if cell.kind == "teacher" else score)
    warnings = report(list(SCORES)).warnings
    assert any("the teacher yolo26s (0.380) is NOT better than its student" in text for text in warnings)
    assert "NOT better" in (tmp_path / "reports/benchmark.md").read_text()


def test_an_unfair_pair_is_named() -> None:
    cells = {cell: score for cell, score in SCORES.items() if cell.seed == 0}
    records = [record_of(cell) for cell in cells]
    assert unlike_pairs(records) == []
    halved = replace(records[2], arguments={**records[2].arguments, "batch": 8})
    assert unlike_pairs([*records[:2], halved]) == [
        "distill/n-s/1.0/0 is no fair comparison: batch 8 instead of 16"
    ]


def test_a_family_without_e2e_has_an_empty_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score, heads=("nms",))
    found = report(list(SCORES))
    assert all(row.heads.keys() == {"nms"} for row in found.rows)
    header, _, line = (
        (tmp_path / "reports/benchmark.md").read_text().split("best `dis`\n\n")[1].split("\n")[:3]
    )
    columns = [name.strip() for name in header.split("|")]
    values = [value.strip() for value in line.split("|")]
    assert values[columns.index("mAP50-95 baseline")] == "42.0 ± 1.0"
    assert not [c for c, v in zip(columns, values, strict=True) if "e2e" in c and v]


@pytest.mark.usefixtures("_finished")
def test_the_table_goes_between_the_markers_of_the_readme(tmp_path: Path) -> None:
    report(list(SCORES))
    readme = tmp_path / "README.md"
    readme.write_text("# mine\n")
    with pytest.raises(KdpipeError, match="no place for the table"):
        with_table(readme)
    readme.write_text(f"# mine\n\n{START}\nout of date\n{END}\n\nend\n")
    text = with_table(readme)
    assert "out of date" not in text
    assert "46.0 ± 1.1" in text
    assert text.startswith("# mine\n")
    assert text.endswith("end\n")
    readme.write_text(text)
    assert with_table(readme) == text
