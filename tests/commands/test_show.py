"""`kdpipe show` after a real run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import copy_of

pytestmark = pytest.mark.slow


def test_it_says_when_the_report_may_be_older_than_params_yaml(first_run: Path, tmp_path: Path) -> None:
    project = copy_of(first_run, tmp_path / "clone")
    assert "may be older" not in project.run("kdpipe", "show").stdout
    for key, value, why in (
        ("evaluate.smallest", 2.0, "edited since: evaluate;"),
        ("validate.iou", 0.6, "edited since: validate, evaluate;"),
        ("data.digits.seed", 1, "edited since: data"),
        ("sweep.seeds", [0, 1], "2 of its 5 trainings are not done;"),
    ):
        project.edit(key, value)
        said = project.run("kdpipe", "show").stdout
        assert f"the report may be older than params.yaml: {why}" in said
        assert said.count("`dvc repro` brings it up to date") == 1
