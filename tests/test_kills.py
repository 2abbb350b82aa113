"""The short form of `make test-kills`: one training from its start to its evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills import COMMANDS, Killer
from tests.project import REAL_STUDENT, copy_of

pytestmark = pytest.mark.slow


@pytest.mark.nightly
@pytest.mark.parametrize("kills", [3, 10])
def test_no_kill_costs_an_epoch_that_was_saved(first_run: Path, tmp_path: Path, kills: int) -> None:
    project = copy_of(first_run, tmp_path / "start")
    project.edit("students.yolo26n", REAL_STUDENT)
    killer = Killer(project.folder, ("evaluate_baseline@yolo26n-0",), seed=1)
    killer.rounds(kills, COMMANDS, killer.undisturbed())
    assert (killer.kills.total(), killer.epochs.twice) == (kills, 0)
