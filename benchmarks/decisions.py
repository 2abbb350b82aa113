"""How often verdicts are wrong, on simulated studies whose truth is known.

    python benchmarks/decisions.py [--studies N] [--looks]

A study has a baseline and several values of `dis`, of which the one with the best mean on val is chosen, and
measured on test with the same trainings. All arms share the images, whose choice is an error of its own. Then
a confirmation, as `kdpipe confirm` does it, on seeds that were never used, beside a design of a fixed number
of seeds that has the same power. Gains are in points.

`--looks` finds the error at each look of a confirmation instead.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from scipy import special, stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from kdpipe.report.gains import BETTER, ERROR, NO_GAIN, UNDECIDED, WORSE, Gain, Measurement, paired_gain
from kdpipe.report.selection import paid_for
from kdpipe.report.sequential import DECIDED, LOOKS, at_look

SMALLEST = 0.5
GAINS, TRIED, SEEDS, NOISES = (0.0, 0.5, 1.0, 3.0), (1, 4, 12), (3, 5, 10, 20), (0.3, 1.0, 3.0)
IMAGE_NOISE = 0.1  # of a gain, over the choice of images
UNEQUAL = 2.0  # times the noise of the baseline, in distilled students
HALVES = 60
MORE = 10  # times the studies where a wrong verdict is most likely: without a gain, and with the smallest
POWER_ENOUGH = 0.8  # a fixed design is compared where a confirmation detects this often
console = Console(stderr=True)


@dataclass(frozen=True)
class Case:
    """The truth of a study: all values of `dis` have the same gain, or only the first has one."""

    gain: float
    tried: int
    seeds: int
    noise: float
    unequal: bool
    unlike: bool = False

    @property
    def gains(self) -> list[float]:
        """The true gain of each `dis`."""
        return [self.gain, *[0.0 if self.unlike else self.gain] * (self.tried - 1)]


def arms(rng: np.random.Generator, case: Case) -> list[Gain]:
    """The gains of all `dis` on test, of one study."""
    base = rng.normal(0, case.noise, case.seeds)
    halves = rng.normal(0, IMAGE_NOISE, HALVES)
    by_images = rng.normal(0, IMAGE_NOISE)
    before = {seed: Measurement(value, np.zeros(HALVES)) for seed, value in enumerate(base)}
    noise = case.noise * (UNEQUAL if case.unequal else 1)
    found = []
    for gain in case.gains:
        values = gain + rng.normal(0, noise, case.seeds) + by_images
        after = {seed: Measurement(value, halves) for seed, value in enumerate(values)}
        found.append(paired_gain(before, after))
    return found


def chosen(rng: np.random.Generator, case: Case) -> tuple[str, str, float]:
    """The verdict on the best `dis` of a study, without and with its choice paid for, and its true gain."""
    found = arms(rng, case)
    best = int(np.argmax([gain.mean + rng.normal(0, IMAGE_NOISE) for gain in found]))
    verdict, paid = found[best].verdict(SMALLEST), paid_for(found[best], found, case.tried).verdict(SMALLEST)
    return verdict, paid, case.gains[best]


def confirmed(rng: np.random.Generator, case: Case) -> tuple[str, int]:
    """The verdict of a confirmation, and its number of seeds."""
    (whole,) = arms(rng, Case(case.gain, 1, LOOKS[-1], case.noise, case.unequal))
    for look in LOOKS:
        values = np.array([whole.per_seed[seed] for seed in range(look)])
        seed_error = float(values.std(ddof=1) / np.sqrt(look))
        part = Gain(
            mean=float(values.mean()),
            low=0.0,
            high=0.0,
            probability=0.5,
            per_seed={seed: whole.per_seed[seed] for seed in range(look)},
            seed_error=seed_error,
            image_error=whole.image_error,
        )
        verdict = at_look(part).verdict(SMALLEST)
        if verdict in DECIDED:
            return verdict, look
    return UNDECIDED, LOOKS[-1]


def wrong(verdict: str, gain: float) -> bool:
    """Whether a verdict contradicts the truth."""
    if verdict == NO_GAIN:
        return abs(gain) >= SMALLEST
    return (verdict == BETTER and gain <= 0) or (verdict == WORSE and gain >= 0)


def choices(studies: int) -> Iterator[dict[str, object]]:
    """A row per case: the share of each verdict on the chosen `dis`."""
    cases = [Case(*values) for values in product(GAINS, TRIED, SEEDS, NOISES, (False, True))]
    cases += [replace(case, unlike=True) for case in cases if case.gain and case.tried > 1]
    for number, case in enumerate(track(cases, "choices", console=console, transient=True)):
        rng = np.random.default_rng(number)
        found = [chosen(rng, case) for _ in range(repeats(studies, case))]
        counts = Counter(paid for _, paid, _ in found)
        yield {
            **vars(case),
            "unpaid wrong": np.mean([wrong(verdict, truth) for verdict, _, truth in found]),
            "wrong": np.mean([wrong(paid, truth) for _, paid, truth in found]),
            **{word: counts[word] / len(found) for word in (*DECIDED, UNDECIDED)},
        }


def repeats(studies: int, case: Case) -> int:
    """How many studies a case gets."""
    return studies * (MORE if case.gain in (0.0, SMALLEST) else 1)


def confirmations(studies: int) -> Iterator[dict[str, object]]:
    """A row per case: the share of each verdict, mean seeds, and those of a fixed design of its power."""
    cases = [
        Case(gain, 1, 0, noise, unequal) for gain in GAINS for noise in NOISES for unequal in (False, True)
    ]
    for number, case in enumerate(track(cases, "confirmations", console=console, transient=True)):
        rng = np.random.default_rng(number)
        found = [confirmed(rng, case) for _ in range(repeats(studies, case))]
        counts = Counter(verdict for verdict, _ in found)
        seeds, power = np.mean([count for _, count in found]), counts[BETTER] / len(found)
        fixed = fixed_design(case, min(power, 1 - 1 / len(found))) if power >= POWER_ENOUGH else np.nan
        yield {
            "gain": case.gain,
            "noise": case.noise,
            "unequal": case.unequal,
            "wrong": np.mean([wrong(verdict, case.gain) for verdict, _ in found]),
            **{word: counts[word] / len(found) for word in (*DECIDED, UNDECIDED)},
            "seeds": seeds,
            "fixed": fixed,
            "ratio": seeds / fixed,
        }


def fixed_design(case: Case, power: float) -> float:
    """The seeds of a design without looks that detects the gain as often, by the noncentral t."""
    sd = case.noise * np.sqrt(1 + (UNEQUAL if case.unequal else 1) ** 2)
    for seeds in range(2, 1000):
        effect = case.gain / np.hypot(sd / np.sqrt(seeds), IMAGE_NOISE)
        if 1 - stats.nct.cdf(special.stdtrit(seeds - 1, 1 - ERROR / 2), seeds - 1, effect) >= power:
            return seeds
    return np.nan


def error_at_look(studies: int) -> float:
    """The two-sided error at which all intervals of a comparison hold together in 95 % of cases."""
    values = np.random.default_rng(0).normal(size=(studies, LOOKS[-1]))
    smallest = np.ones(studies)
    for look in LOOKS:
        part = values[:, :look]
        t = part.mean(axis=1) / (part.std(axis=1, ddof=1) / np.sqrt(look))
        smallest = np.minimum(smallest, 2 * special.stdtr(look - 1, -np.abs(t)))
    return float(np.quantile(smallest, ERROR))


def main() -> None:
    """Print the tables, and the worst share of wrong verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--looks", action="store_true")
    options = parser.parse_args()
    if options.looks:
        print(f"error at each of the looks {LOOKS} = {error_at_look(1000 * options.studies):.4f}")
        return
    choice, confirmation = (pd.DataFrame(make(options.studies)) for make in (choices, confirmations))
    for title, table in (("The best `dis`", choice), ("Confirmations", confirmation)):
        print(f"\n{title}\n\n{table.to_markdown(index=False, floatfmt='.3f')}")
    null = choice[choice["gain"] == 0].groupby("tried")[["unpaid wrong", "wrong"]].max()
    print(f"\nwithout an effect, the worst over seeds and noise\n\n{null.to_markdown(floatfmt='.3f')}\n")
    ratio = confirmation["ratio"].mean()
    print(f"mean seeds of a confirmation / of a fixed design of the same power = {ratio:.2f}")
    worst = max(choice["wrong"].max(), confirmation["wrong"].max())
    print(f"worst share of wrong verdicts = {100 * worst:.1f} %")


if __name__ == "__main__":
    main()
