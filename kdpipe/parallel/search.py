"""Where to look for a good `dis`: Optuna proposes, seed after seed decides what is worth more trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING

from kdpipe.errors import KdpipeError

if TYPE_CHECKING:
    import optuna

MISSING = "Optuna is not installed; install kdpipe with it: pip install -e '.[scale]'"
STARTUP = 4  # trials that get all their seeds, whatever comes out


@dataclass
class Trial:
    """A pair at one `dis`: AP on the choosing split by seed, as far as it was measured."""

    number: int
    pair: str
    dis: float
    ap: dict[int, float] = field(default_factory=dict)
    stopped: bool = False

    @property
    def mean(self) -> float:
        """Over the seeds so far."""
        return fmean(self.ap.values())


@dataclass(frozen=True)
class Space:
    """What is searched: pairs, and `dis` between two bounds; each trial gets these seeds, one by one.

    `known` values of `dis` are tried first, with every pair.
    """

    pairs: Sequence[str]
    low: float
    high: float
    seeds: Sequence[int]
    known: Sequence[float] = ()


Measure = Callable[[list[tuple[Trial, int]]], list[float | None]]


def search(space: Space, trials: int, at_once: int, measure: Measure) -> list[Trial]:
    """Spend a number of trials; `measure` trains several of them side by side, with a seed each.

    Trials are proposed by the tree-structured Parzen estimator (J. Bergstra et al., "Algorithms for
    Hyper-Parameter Optimization", 2011; optuna.samplers.TPESampler), on the logarithm of `dis`. One that is
    below the median of the others after as many seeds gets no more of them (optuna.pruners.MedianPruner), nor
    does one whose training fails.

    Raises:
        KdpipeError: if Optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise KdpipeError(MISSING)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
    )
    for pair, dis in product(space.pairs, space.known):
        if space.low <= dis <= space.high:
            study.enqueue_trial({"pair": pair, "dis": dis})
    found: list[Trial] = []
    active: dict[int, optuna.Trial] = {}
    while True:
        while len(active) < at_once and len(found) < trials:
            asked = study.ask()
            active[asked.number] = asked
            found.append(Trial(asked.number, *_proposed(asked, space)))
        if not active:
            return found
        this_round = [(trial, space.seeds[len(trial.ap)]) for trial in found if trial.number in active]
        for (trial, seed), ap in zip(this_round, measure(this_round), strict=True):
            if _goes_on(trial, seed, ap, active[trial.number], len(space.seeds)):
                continue
            asked = active.pop(trial.number)
            if not trial.stopped:
                study.tell(asked, trial.mean)
            else:
                states = optuna.trial.TrialState
                study.tell(asked, state=states.PRUNED if trial.ap else states.FAIL)


def _proposed(asked: optuna.Trial, space: Space) -> tuple[str, float]:
    pair = str(asked.suggest_categorical("pair", list(space.pairs)))
    value = asked.suggest_float("dis", space.low, space.high, log=True)
    dis = value if value in space.known else float(f"{value:.2g}")
    return pair, next((known for known in space.known if known == dis), dis)  # as written: 6 is not 6.0


def _goes_on(trial: Trial, seed: int, ap: float | None, asked: optuna.Trial, seeds: int) -> bool:
    """Note what came out; whether the trial gets another seed."""
    if ap is None:
        trial.stopped = True
        return False
    trial.ap[seed] = ap
    asked.report(trial.mean, step=len(trial.ap))
    if len(trial.ap) == seeds:
        return False
    trial.stopped = asked.should_prune()
    return not trial.stopped


def best_of(trials: Sequence[Trial]) -> Trial:
    """The one with the highest mean over all its seeds.

    Raises:
        KdpipeError: if none was trained with all seeds.
    """
    whole = [trial for trial in trials if trial.ap and not trial.stopped]
    if not whole:
        raise KdpipeError("no trial was trained to the end; see what failed above")
    return max(whole, key=lambda trial: trial.mean)
