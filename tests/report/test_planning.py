from __future__ import annotations

from math import inf

import numpy as np
import pytest

from kdpipe.report.gains import Measurement, paired_gain
from kdpipe.report.planning import POWER, Noise, detectable, planned, seeds_for


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_what_is_said_to_be_detected_is_detected_as_often(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    effect = detectable(Noise(0.02, 0.0), seeds)
    found = 0
    for _ in range(1000):
        values = effect + rng.normal(0, 0.02, seeds)
        gain = paired_gain(
            {seed: Measurement(0.0) for seed in range(seeds)},
            {seed: Measurement(value) for seed, value in enumerate(values)},
        )
        assert gain.low is not None
        found += gain.low > 0
    assert found / 1000 == pytest.approx(POWER, abs=0.06)


def test_as_many_seeds_as_it_takes_and_no_fewer() -> None:
    noise = Noise(0.02, 0.003)
    seeds = seeds_for(0.015, noise)
    assert detectable(noise, int(seeds)) <= 0.015 < detectable(noise, int(seeds) - 1)


def test_where_the_images_are_too_few_no_number_of_seeds_is_enough() -> None:
    assert seeds_for(0.005, Noise(0.001, 0.01)) == inf


def test_a_single_seed_does_not_show_its_noise() -> None:
    gain = paired_gain({0: Measurement(0.4)}, {0: Measurement(0.5)})
    assert set(planned(gain, 0.005).values()) == {None}
    assert set(planned(None, 0.005).values()) == {None}
