from __future__ import annotations

import numpy as np
import pytest

from benchmarks.decisions import Case, chosen, confirmed, error_at_look, wrong
from kdpipe.report.gains import ERROR, Measurement, paired_gain
from kdpipe.report.selection import adjusted_p, correlation_of, holm, paid_for, selection_error
from kdpipe.report.sequential import ERROR_AT_LOOK

STUDIES = 300
MARGIN = 3 * (ERROR * (1 - ERROR) / STUDIES) ** 0.5


@pytest.mark.parametrize("tried", [2, 4, 12])
def test_a_choice_without_effect_is_seldom_called_one(tried: int) -> None:
    """Not paid for, the best of twelve is called better or worse in more than a tenth of studies."""
    rng = np.random.default_rng(tried)
    case = Case(gain=0.0, tried=tried, seeds=5, noise=3.0, unequal=True)
    pairs = [chosen(rng, case) for _ in range(STUDIES)]
    unpaid, paid = (sum(wrong(pair[which], 0.0) for pair in pairs) / STUDIES for which in (0, 1))
    assert paid <= ERROR + MARGIN
    if tried == 12:
        assert unpaid > 0.1


def test_one_setting_costs_nothing() -> None:
    gain = paired_gain(
        {seed: Measurement(0.4) for seed in range(3)},
        {seed: Measurement(0.41 + seed / 100) for seed in range(3)},
    )
    assert paid_for(gain, [gain], tried=1) == gain
    assert selection_error(1, 3, 0.0) == ERROR
    twelve = paid_for(gain, [gain], tried=12)
    assert twelve.mean == gain.mean
    assert twelve.p is not None
    assert gain.p is not None
    assert twelve.p > gain.p
    assert twelve.low is not None
    assert gain.low is not None
    assert twelve.low < gain.low


def test_it_lies_between_one_setting_and_bonferroni() -> None:
    for seeds in (2, 3, 10):
        for correlation in (0.0, 0.5):
            error = selection_error(4, seeds, correlation)
            assert ERROR / 4 <= error < ERROR
            assert adjusted_p(error, 4, seeds, correlation) == pytest.approx(ERROR, abs=0.005)
    assert selection_error(4, 10, 0.5) > selection_error(4, 10, 0.0)


def test_the_correlation_is_that_of_the_seeds_and_at_most_that_of_a_shared_baseline() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=2000)
    differences = [dict(enumerate(rng.normal(size=2000) - base)) for _ in range(3)]
    assert correlation_of(differences) == pytest.approx(0.475, abs=0.026)
    same = dict(enumerate(base))
    assert correlation_of([same, same]) == 0.5
    assert correlation_of([same, {seed: -value for seed, value in same.items()}]) == 0.0
    assert correlation_of([same]) == 0.0


def test_holm() -> None:
    """The example of R's p.adjust(c(0.01, 0.04, 0.03), "holm")."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_error_at_each_look_is_the_simulated_one() -> None:
    assert error_at_look(200_000) == pytest.approx(ERROR_AT_LOOK, abs=0.0006)


def test_a_choice_among_unlike_values_is_seldom_wrong_about_its_own_gain() -> None:
    rng = np.random.default_rng(0)
    case = Case(gain=1.0, tried=4, seeds=5, noise=1.0, unequal=False, unlike=True)
    assert case.gains == [1.0, 0.0, 0.0, 0.0]
    found = [chosen(rng, case) for _ in range(STUDIES)]
    assert {truth for *_, truth in found} == {0.0, 1.0}
    assert sum(wrong(paid, truth) for _, paid, truth in found) / STUDIES <= ERROR + MARGIN


@pytest.mark.parametrize("gain", [0.0, 0.5, -0.5])
def test_stopping_when_it_is_decided_is_seldom_wrong(gain: float) -> None:
    rng = np.random.default_rng(1)
    case = Case(gain=gain, tried=1, seeds=0, noise=0.5, unequal=False)
    found = [confirmed(rng, case) for _ in range(STUDIES)]
    assert sum(wrong(verdict, gain) for verdict, _ in found) / STUDIES <= ERROR + MARGIN
    assert any(seeds < 64 for _, seeds in found)
