"""`kdpipe.compare` and `kdpipe.load_report`, as notebooks and scripts call them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import kdpipe
from kdpipe.errors import KdpipeError
from kdpipe.report.arms import Arms
from tests.coco_files import SEEDS, annotations, found, write_arms, written
from tests.project import REPOSITORY

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEW = 100  # half samples


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With truth.json and three files of each arm, as the working directory."""
    monkeypatch.chdir(tmp_path)
    write_arms(tmp_path)
    return tmp_path


def files(arm: str) -> list[str]:
    return [f"{arm}-{seed}.json" for seed in range(SEEDS)]


def compared(**changes: object) -> Arms:
    given = {"truth": "truth.json", "baseline": files("baseline"), "distilled": files("distilled")}
    result: Arms = kdpipe.compare(**{**given, "resamples": FEW, **changes})
    return result


@pytest.mark.usefixtures("folder")
def test_what_finds_more_with_every_seed_is_better() -> None:
    result = compared()
    assert result.verdict == "better"
    assert (result.images, len(result.seeds)) == (12, 3)
    assert result.gain.low is not None
    assert 0 < result.gain.low < result.gain.mean == pytest.approx(result.seeds["gain"].mean())
    assert result.arms.loc["baseline", "sd"] == pytest.approx(result.seeds["baseline"].std())
    text = str(result)
    assert re.match(
        r"Better: \+\d+\.\d \[\+\d+\.\d, \+\d+\.\d\] points of mAP50-95, 3 seeds, 12 images\.\n", text
    )
    assert "| could detect" in text
    swapped = compared(baseline=files("distilled"), distilled=files("baseline"))
    assert swapped.verdict == "worse"
    assert swapped.gain.mean == -result.gain.mean


@pytest.mark.usefixtures("folder")
def test_the_same_predictions_gain_nothing() -> None:
    result = compared(distilled=files("baseline"))
    assert (result.gain.mean, result.gain.low, result.gain.high, result.gain.p) == (0, 0, 0, 1)
    assert result.verdict == "no gain worth having"


@pytest.mark.usefixtures("folder")
def test_the_order_of_the_seeds_does_not_matter() -> None:
    first = compared()
    second = compared(baseline=files("baseline")[::-1], distilled=files("distilled")[::-1])
    named = compared(
        baseline=dict(zip((7, 8, 9), files("baseline"), strict=True)),
        distilled=dict(zip((9, 8, 7), files("distilled")[::-1], strict=True)),
    )
    assert list(named.seeds.index) == [7, 8, 9]
    for other in (second, named):
        assert other.gain.mean == pytest.approx(first.gain.mean, abs=1e-12)
        assert other.gain.low == pytest.approx(first.gain.low, abs=1e-12)
        assert other.answer == first.answer


@pytest.mark.usefixtures("folder")
def test_one_seed_is_said_to_be_one() -> None:
    result = compared(baseline=["baseline-0.json"], distilled=["distilled-0.json"])
    assert result.verdict == "better (one seed)"
    assert result.detectable is None
    assert ", 1 seed, 12 images." in result.answer


@pytest.mark.usefixtures("folder")
def test_the_metric_is_the_one_that_is_asked_for() -> None:
    result = compared(metric="AP50", smallest=100)
    assert "points of mAP50," in result.answer
    assert result.verdict == "no gain worth having"
    assert result.arms.loc["baseline", "mean"] > compared().arms.loc["baseline", "mean"]


def test_models_that_find_nothing_say_nothing(folder: Path) -> None:
    nothing = [written(folder, f"nothing-{seed}.json", []) for seed in range(SEEDS)]
    result = compared(baseline=nothing, distilled=nothing)
    assert result.arms["mean"].tolist() == [0, 0]
    assert result.answer.startswith("Nothing learned: mAP50-95 0.0 % alone and 0.0 % distilled say nothing")


def test_an_open_question_says_what_would_decide_it(folder: Path) -> None:
    truth = annotations()
    near = [
        written(folder, f"near-{seed}.json", found(truth, share=0.5 + seed / 9, noise=1.0, seed=seed + 10))
        for seed in range(SEEDS)
    ]
    result = compared(distilled=near)
    assert result.verdict == "undecided"
    assert re.search(r"12 images\. \d+ more seeds? would detect \d+\.\d points\.$", result.answer)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"distilled": ["distilled-0.json"]},
            "3 files of the baseline and 1 distilled: each seed needs one of both",
        ),
        ({"baseline": [], "distilled": []}, "0 files of the baseline and 0 distilled"),
        ({"distilled": dict(enumerate(files("distilled"), start=1))}, "only one of both arms has seed 0"),
        ({"baseline": "baseline-0.json"}, "baseline: 'baseline-0.json' is one file: write a list"),
        ({"baseline": ["baseline-0.json"] * 3}, "baseline: baseline-0.json is given twice"),
        ({"baseline": ["a.json", "b.json", "c.json"]}, "a.json cannot be read: No such file or directory"),
        ({"metric": "mAP"}, "metric 'mAP': did you mean 'AP'?"),
        ({"task": "obb"}, "task 'obb': choose from: detect, segment, pose"),
        ({"smallest": 0}, "smallest 0: write a number from 0.01 to 100"),
        ({"resamples": 5}, "resamples 5: write a number from 100 to 100000"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(KdpipeError, match=re.escape(message)):
        compared(**changes)


def test_importing_kdpipe_imports_nothing_else() -> None:
    heavy = "{'torch', 'mlflow', 'ultralytics', 'pandas', 'numpy', 'omegaconf', 'pydantic'}"
    script = f"import sys, kdpipe; dir(kdpipe); sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=False).returncode == 0
    script = "import sys, kdpipe; kdpipe.compare; sys.exit(bool({'torch', 'mlflow'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=False).returncode == 0
    assert {"compare", "load_report", "__version__"} <= set(dir(kdpipe))
    with pytest.raises(AttributeError, match="no attribute 'compere'"):
        kdpipe.compere  # noqa: B018


def test_a_report_is_loaded_from_the_project_or_its_reports(reports: Path, tmp_path: Path) -> None:
    report = kdpipe.load_report(reports.parent)
    assert str(report) == "\n".join(report.answers)
    assert set(report.gains["dis"]) == {"1.0", "6"}
    assert "coco/AP" in report.trainings
    assert kdpipe.load_report(str(reports)).answers == report.answers
    with pytest.raises(KdpipeError, match=r"benchmark\.json does not exist; run `dvc repro`"):
        kdpipe.load_report(tmp_path)


def test_the_examples_of_the_docs_run(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_arms(reports.parent)
    blocks = BLOCK.findall((REPOSITORY / "docs/api.md").read_text())
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})  # noqa: S102
    said = capsys.readouterr().out
    assert "Better: " in said
    assert "n-s" in said
