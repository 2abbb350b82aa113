"""Looking for `dis` and method, on a made-up curve."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean

import pytest

from kdpipe.commands.tune import _candidate
from kdpipe.errors import KdpipeError
from kdpipe.models.methods import METHODS
from kdpipe.parallel.search import MISSING, Candidate, Space, Trial, best_of, search

L2 = Candidate("n-s", "l2", low=0.1, high=30.0, start=6.0)
SPACE = Space(pairs=(L2,), seeds=(0, 1, 2), known=(6.0, 1.0))
NOISE = (0.0, 0.004, -0.004)  # of each seed
Asked = list[tuple[Trial, int]]


def ap(trial: Trial, seed: int) -> float:
    """Best at a dis of 2."""
    return 0.5 - 0.1 * math.log10(trial.dis / 2) ** 2 + NOISE[seed]


def measure(asked: Asked) -> list[float | None]:
    return [ap(trial, seed) for trial, seed in asked]


def test_the_search_finds_the_top_and_spends_little_on_the_rest() -> None:
    found = search(SPACE, 16, 2, measure)
    assert [trial.dis for trial in found[:2]] == [6.0, 1.0]
    assert all(0.1 <= trial.dis <= 30.0 for trial in found)
    assert 1.0 <= best_of(found).dis <= 4.0
    stopped = [trial for trial in found if trial.stopped]
    assert stopped
    assert all(len(trial.ap) < 3 for trial in stopped)
    assert all(len(trial.ap) == 3 for trial in found if not trial.stopped)
    assert max(trial.mean for trial in stopped) < best_of(found).mean


def test_a_search_that_is_run_again_asks_for_the_same() -> None:
    first, again = (search(SPACE, 8, 2, measure) for _ in range(2))
    assert first == again


def test_a_known_dis_is_asked_for_as_it_is_written() -> None:
    space = Space(pairs=(L2,), seeds=(0,), known=(6, 0.125))
    assert [str(trial.dis) for trial in search(space, 2, 1, measure)] == ["6", "0.125"]


def test_several_are_measured_side_by_side() -> None:
    rounds: list[int] = []

    def noting(asked: Asked) -> list[float | None]:
        rounds.append(len(asked))
        return measure(asked)

    search(SPACE, 6, 3, noting)
    assert rounds[0] == 3


def test_what_fails_is_left_out() -> None:
    def failing(asked: Asked) -> list[float | None]:
        return [None if trial.dis > 3 else ap(trial, seed) for trial, seed in asked]

    found = search(SPACE, 6, 2, failing)
    assert best_of(found).dis <= 3
    with pytest.raises(KdpipeError, match="no trial was trained to the end"):
        best_of(search(SPACE, 2, 2, lambda asked: [None] * len(asked)))


def test_pairs_are_searched_too() -> None:
    def one_is_better(asked: Asked) -> list[float | None]:
        return [ap(trial, seed) + 0.1 * (trial.pair == "n-m") for trial, seed in asked]

    space = Space(pairs=(L2, replace(L2, pair="n-m")), seeds=(0,), known=(1.0, 3.0))
    found = search(space, 14, 1, one_is_better)
    first = [(pair, dis) for dis in (6.0, 1.0, 3.0) for pair in ("n-s", "n-m")]
    assert [(trial.pair, trial.dis) for trial in found[:6]] == first
    assert best_of(found).pair == "n-m"


METHOD_PAIRS = {"n-s": "l2", "n-s-predictions": "predictions", "n-s-mgd": "mgd"}


def test_each_method_is_searched_at_its_own_scale() -> None:
    """Here every method is best at a third of its default, and predictions is the best method."""

    def scaled(asked: Asked) -> list[float | None]:
        return [
            0.5
            - 0.1 * math.log10(3 * trial.dis / METHODS[trial.method].dis) ** 2
            + 0.05 * (trial.method == "predictions")
            for trial, _ in asked
        ]

    candidates = [_candidate(pair, method, (None, None)) for pair, method in METHOD_PAIRS.items()]
    space = Space(pairs=candidates, seeds=(0,), known=(6.0, 0.02))
    found = search(space, 24, 2, scaled)
    bounds = {one.pair: (one.low, one.high) for one in candidates}
    assert bounds == {"n-s": (0.1, 30.0), "n-s-predictions": (0.033, 10.0), "n-s-mgd": (0.017, 5.0)}
    assert all(bounds[trial.pair][0] <= trial.dis <= bounds[trial.pair][1] for trial in found)
    assert [(trial.method, trial.dis) for trial in found[:5]] == [
        ("l2", 6.0),
        ("predictions", 2.0),
        ("mgd", 1.0),
        ("predictions", 6.0),
        ("mgd", 0.02),
    ]
    best = best_of(found)
    assert (best.pair, best.method) == ("n-s-predictions", "predictions")
    assert 0.2 < best.dis < 2.0
    assert len([trial for trial in found if trial.method == best.method]) > 24 / 3


def test_what_is_learned_of_a_method_is_not_taken_for_another() -> None:
    """Equal bounds, but one method is best at 20, the other at 0.2."""
    best = {"l2": 20.0, "predictions": 0.2}

    def away(trial: Trial) -> float:
        return abs(math.log10(trial.dis / best[trial.method]))

    candidates = [Candidate(method, method, low=0.1, high=30.0, start=2.0) for method in best]
    found = search(
        Space(candidates, seeds=(0,)),
        40,
        1,
        lambda asked: [0.5 - 0.1 * away(trial) ** 2 for trial, _ in asked],
    )
    assert fmean(away(trial) for trial in found[20:]) < 0.4  # 0.6 if the methods share a dis


def test_given_bounds_apply_to_every_method() -> None:
    both = [_candidate(pair, method, (0.5, 8.0)) for pair, method in METHOD_PAIRS.items()]
    assert {(one.low, one.high) for one in both} == {(0.5, 8.0)}
    one = [_candidate(pair, method, (None, 1.5)) for pair, method in METHOD_PAIRS.items()]
    assert [(each.low, each.high) for each in one] == [(0.1, 1.5), (0.033, 1.5), (0.017, 1.5)]
    found = search(Space(pairs=one, seeds=(0,)), 6, 1, measure)
    assert (found[0].method, found[0].dis) == ("mgd", 1.0)  # the only default that is not above
    with pytest.raises(KdpipeError, match=r"--low 5: pair n-s-mgd \(mgd\) has 5 to 5 then; write --high"):
        _candidate("n-s-mgd", "mgd", (5.0, None))
    with pytest.raises(
        KdpipeError, match=r"--high 0\.01: pair n-s \(l2\) has 0\.1 to 0\.01 then; write --low"
    ):
        _candidate("n-s", "l2", (None, 0.01))


def test_without_optuna_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdpipe.parallel.search.find_spec", lambda _: None)
    with pytest.raises(KdpipeError, match="Optuna is not installed") as caught:
        search(SPACE, 1, 1, measure)
    assert str(caught.value) == MISSING
