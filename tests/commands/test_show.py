"""`kdpipe show` after a real run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import copy_of

pytestmark = pytest.mark.slow


def test_it_says_when_the_report_may_be_older_than_params_yaml(first_run: Path, tmp_path: Path) -> None:
    project = copy_of(first_run, tmp_path / "clone")
    assert "may be older" not in project.run("kdpipe", "show").stdout
    project.edit("evaluate.smallest", 2.0)
    assert (
        "the report may be older than params.yaml: edited since: evaluate;"
        in project.run("kdpipe", "show").stdout
    )
    project.edit("train.epochs", 3)
    said = project.run("kdpipe", "show").stdout
    assert "the report may be older than params.yaml: 2 of its 3 trainings are not done here;" in said
    assert said.count("`dvc repro` brings it up to date") == 1
