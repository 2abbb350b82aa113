from __future__ import annotations

import numpy as np
import pytest

from kdpipe.report.gains import Measurement, paired_gain, summarise

Values = dict[int, float]
SMALLEST = 0.005  # gain worth having


def exact(values: Values) -> dict[int, Measurement]:
    """Results that are known without any noise of images."""
    return {seed: Measurement(value) for seed, value in values.items()}


def test_identical_models_gain_nothing() -> None:
    rng = np.random.default_rng(0)
    models = {seed: Measurement(0.4 + seed / 10, rng.normal(0, 0.02, 500)) for seed in range(3)}
    gain = paired_gain(models, models)
    assert (gain.mean, gain.low, gain.high, gain.probability) == (0, 0, 0, 0.5)
    assert gain.verdict(SMALLEST) == "no gain worth having"


def test_the_verdict_follows_the_interval() -> None:
    before = exact({0: 0.40, 1: 0.50, 2: 0.60})
    better = paired_gain(before, exact({0: 0.45, 1: 0.551, 2: 0.649}))
    assert better.verdict(SMALLEST) == "better"
    assert better.probability == pytest.approx(1, abs=1e-3)
    worse = paired_gain(before, exact({0: 0.35, 1: 0.449, 2: 0.551}))
    assert worse.verdict(SMALLEST) == "worse"
    assert worse.probability == pytest.approx(0, abs=1e-3)
    assert paired_gain(before, exact({0: 0.60, 1: 0.40, 2: 0.60})).verdict(SMALLEST) == "undecided"
    tiny = paired_gain(before, exact({0: 0.401, 1: 0.5011, 2: 0.6009}))
    assert tiny.low is not None
    assert tiny.low > 0
    assert tiny.verdict(SMALLEST) == "no gain worth having"
    assert tiny.verdict(0.0005) == "better"


def test_without_images_it_is_students_t() -> None:
    gain = paired_gain(exact({0: 0.1, 1: 0.9, 7: 0.0}), exact({1: 1.0, 0: 0.24, 3: 0.0}))
    assert gain.mean == pytest.approx(0.12)
    assert set(gain.per_seed) == {0, 1}
    assert gain.high == pytest.approx(0.12 + 12.706 * 0.02, rel=1e-4)
    with pytest.raises(ValueError, match="no seed in common"):
        paired_gain(exact({0: 0.1}), exact({1: 0.1}))


def test_one_seed_says_so_and_covers_the_images_only() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 4000)
    gain = paired_gain(
        {0: Measurement(0.4, noise)}, {0: Measurement(0.5, noise + rng.normal(0, 0.005, 4000))}
    )
    assert gain.verdict(SMALLEST) == "better (one seed)"
    assert gain.high == pytest.approx(0.1 + 1.96 * 0.005, abs=0.0005)
    assert gain.seed_error is None
    assert paired_gain(exact({0: 0.4}), exact({0: 0.9})).verdict(SMALLEST) == "unknown"


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(
    ("of_seeds", "of_images", "of_both"), [(1, 0.2, 0.2), (0.3, 1, 0.5), (0.5, 0.5, 1), (1, 1, 1)]
)
def test_the_interval_covers_the_true_gain(
    seeds: int, of_seeds: float, of_images: float, of_both: float
) -> None:
    """At least as often as it says, whichever noise prevails: seeds, images, or seeds on images."""
    rng = np.random.default_rng(1)
    trials, covered = 600, 0
    for _ in range(trials):
        common = rng.normal(0, of_images, 301)  # the first is what happened, the others half samples
        gains = {
            seed: (common + rng.normal(0, of_both, 301), 1 + rng.normal(0, of_seeds)) for seed in range(seeds)
        }
        after = {seed: Measurement(mean + noise[0], noise[1:]) for seed, (noise, mean) in gains.items()}
        before = dict.fromkeys(after, Measurement(0.0, np.zeros(300)))
        gain = paired_gain(before, after)
        assert gain.low is not None
        assert gain.high is not None
        covered += gain.low <= 1 <= gain.high
    assert covered / trials > 0.95 - 3 * np.sqrt(0.95 * 0.05 / trials)


def test_the_probability_is_that_of_the_interval_that_just_reaches_zero() -> None:
    """Where the 95 % interval ends at 0, 97.5 % is the probability of a gain."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (3, 1000))
    zero = dict.fromkeys(range(3), Measurement(0.0, np.zeros(1000)))
    gain = paired_gain(zero, {seed: Measurement(float(seed), noise[seed]) for seed in range(3)})
    assert gain.low is not None
    at_zero = paired_gain(zero, {seed: Measurement(seed - gain.low, noise[seed]) for seed in range(3)})
    assert at_zero.low == pytest.approx(0, abs=1e-9)
    assert at_zero.probability == pytest.approx(0.975, abs=1e-6)


def test_one_seed_has_no_spread() -> None:
    assert summarise(exact({3: 0.5})).sd is None
    assert summarise(exact({0: 0.4, 1: 0.6})).sd == pytest.approx(np.std([0.4, 0.6], ddof=1))
