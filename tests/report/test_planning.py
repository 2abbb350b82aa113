from __future__ import annotations

from math import inf

import numpy as np
import pytest

from kdpipe.report.gains import ERROR, Measurement, at_error, paired_gain
from kdpipe.report.planning import MOST_SEEDS, POWER, Noise, detectable, planned, seeds_for
from kdpipe.report.selection import selection_error
from kdpipe.report.sequential import ERROR_AT_LOOK


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("error", [ERROR, selection_error(4, 5, 0.0), ERROR_AT_LOOK])
def test_what_is_said_to_be_detected_is_detected_as_often(seeds: int, error: float) -> None:
    rng = np.random.default_rng(seeds)
    effect = detectable(Noise(0.02, 0.0), seeds, error)
    found = 0
    for _ in range(1000):
        values = effect + rng.normal(0, 0.02, seeds)
        gain = paired_gain(
            {seed: Measurement(0.0) for seed in range(seeds)},
            {seed: Measurement(value) for seed, value in enumerate(values)},
        )
        low = at_error(gain, error, 1.0).low
        assert low is not None
        found += low > 0
    assert found / 1000 == pytest.approx(POWER, abs=0.06)


def test_as_many_seeds_as_it_takes_and_no_fewer() -> None:
    noise = Noise(0.02, 0.003)
    seeds = int(seeds_for(0.015, noise, ERROR))
    assert detectable(noise, seeds, ERROR) <= 0.015 < detectable(noise, seeds - 1, ERROR)
    assert seeds_for(0.015, noise, ERROR_AT_LOOK) > seeds


def test_where_the_images_are_too_few_no_number_of_seeds_is_enough() -> None:
    assert seeds_for(0.005, Noise(0.001, 0.01), ERROR) == inf


def test_more_seeds_than_are_counted_are_no_lack_of_images() -> None:
    assert seeds_for(0.001, Noise(0.03, 0.0), ERROR) == MOST_SEEDS + 1
    assert seeds_for(0.0, Noise(0.03, 0.0), ERROR) == MOST_SEEDS + 1


def test_a_single_seed_does_not_show_its_noise() -> None:
    gain = paired_gain({0: Measurement(0.4)}, {0: Measurement(0.5)})
    assert set(planned(gain, 0.005, ERROR).values()) == {None}
    assert set(planned(None, 0.005, ERROR).values()) == {None}
