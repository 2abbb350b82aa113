"""`kdpipe compare` in a folder that is no project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kdpipe
from tests.coco_files import SEEDS, write_arms
from tests.project import REPOSITORY

FILES = {arm: [f"{arm}-{seed}.json" for seed in range(SEEDS)] for arm in ("baseline", "distilled")}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kdpipe.cli", "compare", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_prints_the_pairs_and_the_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options may be before and after `--`; nothing is written."""
    monkeypatch.chdir(tmp_path)
    write_arms(tmp_path)
    before = sorted(tmp_path.iterdir())
    options = ["--metric", "AP50", *FILES["baseline"], "--", *FILES["distilled"], "--smallest", "60"]
    answer = run(tmp_path, "truth.json", *options)
    assert (answer.returncode, answer.stderr) == (0, "")
    expected = kdpipe.compare("truth.json", **FILES, metric="AP50", smallest=60)
    pairs = [f"seed {n}: baseline-{n}.json and distilled-{n}.json" for n in range(SEEDS)]
    assert answer.stdout.rstrip() == "\n".join([*pairs, "", str(expected)])
    assert sorted(tmp_path.iterdir()) == before


def test_files_are_looked_for_where_it_is_called(tmp_path: Path) -> None:
    """Not in the root of a project around it."""
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "inner").mkdir()
    write_arms(tmp_path / "inner")
    answer = run(tmp_path / "inner", "truth.json", "baseline-0.json", "--", "distilled-0.json")
    assert "better (one seed)" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["truth.json", "a.json", "b.json"], "write `--` once, between baseline and distilled files"),
        (["truth.json", "a.json", "--", "b.json", "--", "c.json"], "write `--` once, between baseline and"),
        (
            ["truth.json", "a.json", "--"],
            "1 file of the baseline and 0 distilled: each seed needs one of both",
        ),
        (["truth.json", "a.json", "--", "b.json"], "truth.json cannot be read: No such file or directory"),
        (["truth.json", "--task", "obb", "a.json", "--", "b.json"], "task 'obb': choose from"),
    ],
)
def test_a_mistake_is_one_message(tmp_path: Path, arguments: list[str], message: str) -> None:
    answer = run(tmp_path, *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"error: {message}")
    assert answer.stderr.count("\n") == 1
