from __future__ import annotations

import numpy as np
import pytest

from kdpipe.stats import paired_gain, summarise


def test_identical_results_gain_nothing() -> None:
    gain = paired_gain({0: 0.4, 1: 0.5, 2: 0.6}, {0: 0.4, 1: 0.5, 2: 0.6})
    assert gain.mean == 0
    assert gain.verdict == "within noise"


def test_the_verdict_follows_the_interval() -> None:
    before = {0: 0.40, 1: 0.50, 2: 0.60}
    assert paired_gain(before, {0: 0.45, 1: 0.551, 2: 0.649}).verdict == "better"
    assert paired_gain(before, {0: 0.35, 1: 0.449, 2: 0.551}).verdict == "worse"
    assert paired_gain(before, {0: 0.60, 1: 0.40, 2: 0.60}).verdict == "within noise"
    assert paired_gain({0: 0.4}, {0: 0.9}).verdict == "one seed"


def test_seeds_are_paired() -> None:
    gain = paired_gain({0: 0.1, 1: 0.9, 7: 0.0}, {1: 1.0, 0: 0.2})
    assert gain.mean == pytest.approx(0.1)
    with pytest.raises(ValueError, match="no seed in common"):
        paired_gain({0: 0.1}, {1: 0.1})


def test_the_interval_covers_the_true_gain_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    trials, covered = 2000, 0
    for _ in range(trials):
        before = rng.normal(0.4, 0.05, 3)
        after = before + rng.normal(0.02, 0.03, 3)
        gain = paired_gain(dict(enumerate(before)), dict(enumerate(after)))
        assert gain.low is not None
        assert gain.high is not None
        covered += gain.low <= 0.02 <= gain.high
    error = 3 * np.sqrt(0.95 * 0.05 / trials)
    assert covered / trials == pytest.approx(0.95, abs=error)


def test_one_seed_has_no_spread() -> None:
    assert summarise({3: 0.5}).sd is None
    assert summarise({0: 0.4, 1: 0.6}).sd == pytest.approx(np.std([0.4, 0.6], ddof=1))
