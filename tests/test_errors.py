from __future__ import annotations

import pytest

from kdpipe.commands.plan import Line, Plan
from kdpipe.errors import about, counted


@pytest.mark.parametrize(("number", "said"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs")])
def test_one_is_singular(number: int, said: str) -> None:
    assert counted(number, "run") == said


def test_an_irregular_plural() -> None:
    assert counted(1, "class", "classes") == "1 class"
    assert counted(2, "class", "classes") == "2 classes"


@pytest.mark.parametrize(("stale", "said"), [(1, "1 training to run"), (2, "2 trainings to run")])
def test_a_plan_of_one_training(stale: int, said: str) -> None:
    for seconds in (None, 60.0):
        assert Plan([Line("baseline", 2, stale)], seconds).summary.startswith(said)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (59, "less than a minute"),
        (60, "about 1 min"),
        (89 * 60, "about 89 min"),
        (90 * 60, "about 2 h"),
        (35 * 3600, "about 35 h"),
        (36 * 3600, "about 2 days"),
    ],
)
def test_durations_are_said_roughly(seconds: float, said: str) -> None:
    assert about(seconds) == said
