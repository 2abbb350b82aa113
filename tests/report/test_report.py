"""The report from real runs in a real MLflow store; only the trainings are made up."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from kdpipe.cells.cell import baseline_cell, distill_cell, teacher_cell
from kdpipe.commands.readme import END, START, with_table
from kdpipe.errors import KdpipeError
from kdpipe.report.comparisons import (
    DIS_DIS,
    DISTILLED_BASELINE,
    E2E_NMS,
    STUDENT_TEACHER,
    Comparison,
)
from kdpipe.report.fairness import unlike_pairs
from kdpipe.report.question import Question
from tests.project import REPOSITORY
from tests.reported import SCORES, finish, record_of, report, trained_otherwise


def gains(comparisons: list[Comparison], kind: str, head: str = "e2e") -> dict[tuple[str, str], str]:
    return {(c.before, c.after): c.verdict for c in comparisons if (c.kind, c.head) == (kind, head)}


def test_every_value_is_that_of_the_run(reports: Path) -> None:
    report(list(SCORES))
    benchmark = json.loads((reports / "benchmark.json").read_text())
    mlflow.set_tracking_uri(f"sqlite:///{reports.parent}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["test"]).set_index("tags.cell")
    cells = pd.read_csv(reports / "benchmark.csv", float_precision="round_trip").to_dict("records")
    assert len(cells) == 2 * 2 * len(SCORES)
    for cell in cells:
        run = runs.loc[cell["cell"]]
        place = f"metrics.{cell['split']}/{cell['head']}"
        assert cell["mAP50-95"] == run[f"{place}/mAP50-95"]
        assert cell["coco/AP"] == run[f"{place}/coco/AP"]
        assert cell["run_id"] == run["run_id"]
    of_six = [c for c in benchmark["comparisons"] if c["kind"] == DISTILLED_BASELINE and c["dis"] == "6"]
    six = {comparison["head"]: comparison for comparison in of_six}
    assert six["e2e"]["after_summary"]["per_seed"] == {"0": 0.3, "1": 0.48, "2": 0.42}
    assert six["nms"]["before_summary"]["mean"] == pytest.approx(0.42)


def test_runs_from_before_there_were_methods_are_of_ultralytics_own(reports: Path) -> None:
    with sqlite3.connect(reports.parent / "mlflow.db") as database:
        assert database.execute("delete from params where key = 'method'").rowcount
    report(list(SCORES))
    table = pd.read_csv(reports / "benchmark.csv")
    assert set(table[table["kind"] == "distill"]["method"]) == {"l2"}
    assert "method" not in (reports / "benchmark.md").read_text()


def test_the_best_dis_is_the_best_mean_and_the_verdicts_are_fair(reports: Path) -> None:
    found = report(list(SCORES))
    assert gains(found.comparisons, DISTILLED_BASELINE) == {
        ("yolo26n baseline", "n-s dis 1.0"): "better",
        ("yolo26n baseline", "n-s dis 6"): "undecided",
    }
    text = (reports / "benchmark.md").read_text()
    assert "| yolo26n   | yolo26s   | 1.0        |" in text
    assert "46.0 ± 1.1" in text
    assert "**Warning:** a note" in text
    metrics = json.loads((reports / "metrics.json").read_text())["n-s"]["e2e"]
    assert metrics == {"baseline": 41.0, "distilled": 46.0, "gain": 5.0, "low": 4.3, "high": 5.7, "P": 0.0}


def test_the_table_defines_its_verdicts_as_they_are_made(reports: Path) -> None:
    """An interval such as +0.1 to +0.4 is no gain worth having, and one such as +0.1 to +0.9 is better."""
    report(list(SCORES))
    text = " ".join((reports / "benchmark.md").read_text().split())
    assert "*no gain worth having* is said where the interval lies within ±0.5 points, *better* and" in text
    assert "*worse* where it reaches further and excludes 0" in text
    assert "on its primary head, or is every gain of 0.5 points or more excluded?" in text


def test_what_could_be_detected_is_more_than_the_margin_that_decides(reports: Path) -> None:
    """The interval of the best of several is wider, and so is what it can detect."""
    report(list(SCORES), question=Question(tried={"n-s": 12}))
    gains = pd.read_csv(reports / "numbers/gains.csv").query("primary")
    (line,) = gains.to_dict("records")
    assert line["detectable"] > line["high"] - line["gain"]
    assert line["new seeds for smallest"] >= 4


def test_cells_that_params_no_longer_name_are_not_in_the_table(reports: Path) -> None:
    report(list(SCORES))
    report([cell for cell in SCORES if cell.dis != 6])
    benchmark = json.loads((reports / "benchmark.json").read_text())
    assert {row["dis"] for row in benchmark["comparisons"]} == {"1.0", None}


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
    assert unlike_pairs(records) == {}
    teacher, alone, taught = records[:3]

    def reason(**changes: object) -> str:
        return unlike_pairs([teacher, alone, replace(taught, **changes)])[taught.identity.cell]

    assert reason(arguments={**taught.arguments, "batch": 8}) == "batch 8 instead of 16"
    assert "optimizer MuSGD instead of AdamW" in reason(arguments={**taught.arguments, "optimizer": "MuSGD"})
    assert "device NVIDIA H200 instead of CPU" in reason(
        environment={**taught.environment, "device": "NVIDIA H200"}
    )
    assert "torch 2.4.0 instead of 2.15.0" in reason(environment={**taught.environment, "torch": "2.4.0"})
    assert "start weights abc instead of None" in reason(identity=replace(taught.identity, init_digest="abc"))
    assert "model yaml abc instead of None" in reason(identity=replace(taught.identity, model_digest="abc"))
    assert f"data {'e' * 32} instead of {'d' * 32}" in reason(
        identity=replace(taught.identity, data_digest="e" * 32)
    )
    stopped_early = replace(taught, epochs=1)
    assert unlike_pairs([teacher, alone, stopped_early]) == {}
    timed = {**taught.arguments, "time": 0.1}
    assert "epochs trained 1 instead of 2" in unlike_pairs(
        [teacher, replace(alone, arguments=timed), replace(stopped_early, arguments=timed)]
    ).get(taught.identity.cell, "")


def test_an_unfair_pair_is_refused_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score)
        if cell.dis == 6:
            trained_otherwise(cell)
    found = report(list(SCORES))
    verdicts = gains(found.comparisons, DISTILLED_BASELINE)
    assert verdicts["yolo26n baseline", "n-s dis 6"] == "not compared: batch 8 instead of 16"
    between = gains(found.comparisons, DIS_DIS)
    assert between["n-s dis 1.0", "n-s dis 6"] == "not compared: batch 8 instead of 16"
    assert verdicts["yolo26n baseline", "n-s dis 1.0"] == "better"
    text = (tmp_path / "reports/benchmark.md").read_text()
    assert "not compared: batch 8 instead of 16" in text
    assert "distill/n-s/6/0 is not compared" in text


def test_a_gain_is_of_the_seeds_that_can_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score)
        if (cell.dis, cell.seed) == (6, 0):
            trained_otherwise(cell)
    found = report(list(SCORES)).comparisons
    (six,) = [c for c in found if (c.kind, c.dis, c.head) == (DISTILLED_BASELINE, "6", "e2e")]
    assert six.gain is not None
    assert 0 not in six.gain.per_seed
    assert six.gain.mean == pytest.approx(six.after_summary.mean - six.before_summary.mean)


def test_released_checkpoints_stand_beside_what_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cells = {
        teacher_cell("yolo26s"): 0.48,
        baseline_cell("yolo26n", 0): 0.405,
        distill_cell("n", 6.0, 0): 0.41,
    }
    for cell, score in cells.items():
        finish(cell, score)
        record = record_of(cell)
        finished = replace(record.identity, data="coco.yaml", init="released", dis=None)
        arguments = {"epochs": 0, "imgsz": 640}
        replace(record, identity=finished, fingerprint=finished.fingerprint, arguments=arguments).save(
            cell.train_dir
        )
    found = report(list(cells), splits=("val",)).comparisons
    assert gains(found, DISTILLED_BASELINE) == {("yolo26n baseline", "n distilled"): "undecided (one seed)"}
    table = (tmp_path / "reports/benchmark.md").read_text().split("## Measured and published")[1]
    assert "| yolo26n baseline | e2e    | 40.5       | 40.1        | +0.4         |" in table
    assert "| n distilled      | NMS    | 42.0       | 41.5        | +0.5         |" in table


@pytest.mark.usefixtures("reports")
def test_everything_is_set_against_everything_that_matters() -> None:
    found = report(list(SCORES)).comparisons
    assert gains(found, E2E_NMS)["yolo26n baseline", "yolo26n baseline"] == "worse"
    assert E2E_NMS not in {c.kind for c in found if c.head == "nms"}
    assert gains(found, STUDENT_TEACHER)["yolo26s teacher", "n-s dis 1.0"] == "worse"
    assert gains(found, STUDENT_TEACHER, "nms")["yolo26s teacher", "yolo26n baseline"] == "worse"
    assert gains(found, DIS_DIS) == {("n-s dis 1.0", "n-s dis 6"): "undecided"}


def test_the_table_says_where_dis_was_chosen(reports: Path) -> None:
    table = reports / "benchmark.md"
    report(list(SCORES))
    assert "chosen on **val**, by the primary head, and measured on **test**" in table.read_text()
    report(list(SCORES), splits=("val",))
    assert "on the same images that measure it" in table.read_text()


def test_the_table_says_what_changed_and_what_it_cost(reports: Path) -> None:
    report(list(SCORES))
    text = (reports / "benchmark.md").read_text()
    assert "| n-s    | 1.0   | 1.00 x | 1.00 x   | 2.50 / 2.50  | 5.40 / 5.40 | 5.30 / 5.30 |" in text
    assert "| n-s dis 1.0      | e2e    | 46.0 | 46.0   | 46.0   | 46.0    | 46.0     | 4.0" in text
    assert "| n-s    | 1.0   | e2e    | 0 +5.0        | 1 +0.0         |" in text
    classes = pd.read_csv(reports / "numbers/classes.csv").query("head == 'e2e'").set_index("class")
    assert classes["gain"].round(6).to_dict() == {0: 0.05, 1: 0.0, 2: 0.05}


def test_a_family_without_e2e_has_an_empty_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for cell, score in SCORES.items():
        finish(cell, score, heads=("nms",))
    found = report(list(SCORES))
    assert {comparison.head for comparison in found.comparisons} == {"nms"}
    header, _, line = (
        (tmp_path / "reports/benchmark.md").read_text().split("best `dis`\n\n")[1].split("\n")[:3]
    )
    columns = [name.strip() for name in header.split("|")]
    values = [value.strip() for value in line.split("|")]
    assert values[columns.index("mAP50-95 baseline")] == "42.0 ± 1.0"
    assert not [c for c, v in zip(columns, values, strict=True) if "e2e" in c and v]


@pytest.mark.usefixtures("reports")
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


def test_the_committed_readme_has_the_committed_table(tmp_path: Path) -> None:
    """Of whoever ran it since on a machine of his own, the files in the folder may differ."""
    for name in ("README.md", "reports/benchmark.md"):
        show = ["git", "-C", str(REPOSITORY), "show", f"HEAD:{name}"]
        content = subprocess.run(show, capture_output=True, check=True).stdout
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    readme = tmp_path / "README.md"
    assert readme.read_text() == with_table(readme, tmp_path / "reports/benchmark.md"), "run `kdpipe table`"
