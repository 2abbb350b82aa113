"""Search for the best `dis` with Optuna: trials get seed after seed, and bad ones stop early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from statistics import fmean
from typing import TYPE_CHECKING

from kdpipe.errors import KdpipeError

if TYPE_CHECKING:
    import optuna

MISSING = "Optuna is not installed; run `pip install 'kdpipe[scale]'`"
STARTUP = 4  # trials that get all their seeds in any case


@dataclass
class Trial:
    """A pair, and so its method, at one `dis`: `ap` is AP by seed, on the split that chooses the best."""

    number: int
    pair: str
    method: str
    dis: float
    ap: dict[int, float] = field(default_factory=dict)
    stopped: bool = False

    @property
    def mean(self) -> float:
        """Mean AP over the seeds so far."""
        return fmean(self.ap.values())


@dataclass(frozen=True)
class Candidate:
    """A pair to search.

    Attributes:
        pair: Its name.
        method: Its distillation method.
        low: The smallest `dis` to try.
        high: The largest one.
        start: The `dis` to try first, if it is between them.
    """

    pair: str
    method: str
    low: float
    high: float
    start: float


@dataclass(frozen=True)
class Space:
    """The search space: pairs, each with `dis` between its bounds; each trial gets the seeds one by one.

    `known` values of `dis` are tried early, with every pair whose bounds they are between.
    """

    pairs: Sequence[Candidate]
    seeds: Sequence[int]
    known: Sequence[float] = ()

    @property
    def first(self) -> list[tuple[Candidate, float]]:
        """What is tried first: every pair at its start, then every pair at each known `dis`."""
        starts = [(one, self.as_written(one.start)) for one in self.pairs]
        wanted = [*starts, *((one, dis) for dis in self.known for one in self.pairs)]
        return [(one, dis) for one, dis in dict.fromkeys(wanted) if one.low <= dis <= one.high]

    def as_written(self, dis: float) -> float:
        """Return `dis` as params.yaml writes it: 6 and 6.0 name different stages."""
        return next((known for known in self.known if known == dis), dis)


Measure = Callable[[list[tuple[Trial, int]]], list[float | None]]


def search(space: Space, trials: int, at_once: int, measure: Measure) -> list[Trial]:
    """Search for the best trial.

    The tree-structured Parzen estimator proposes the trials (J. Bergstra et al., "Algorithms for
    Hyper-Parameter Optimization", 2011; optuna.samplers.TPESampler), on the logarithm of `dis`. It learns a
    `dis` per method, since their losses have different scales; pairs of one method share it. A trial gets no
    more seeds if it is below the median of the others after as many seeds (optuna.pruners.MedianPruner), or
    if a training of it fails.

    Args:
        space: The search space.
        trials: The number of trials.
        at_once: How many trials are measured in parallel.
        measure: Trains trials in parallel, with one seed each; returns AP, or None for a failed training.

    Returns:
        All trials, in the order of their start.

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
    for one, dis in space.first:
        study.enqueue_trial({"pair": one.pair, _axis(one): dis})
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


def _axis(one: Candidate) -> str:
    """Name of the parameter that pairs of one method share."""
    return f"dis of {one.method}"


def _proposed(asked: optuna.Trial, space: Space) -> tuple[str, str, float]:
    pairs = {one.pair: one for one in space.pairs}
    one = pairs[str(asked.suggest_categorical("pair", list(pairs)))]
    value = asked.suggest_float(_axis(one), one.low, one.high, log=True)
    given = {dis for _, dis in space.first}
    return one.pair, one.method, space.as_written(value if value in given else float(f"{value:.2g}"))


def _goes_on(trial: Trial, seed: int, ap: float | None, asked: optuna.Trial, seeds: int) -> bool:
    """Store the result of a seed; return whether the trial gets another one."""
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
    """Return the trial with the highest mean over all its seeds.

    Raises:
        KdpipeError: if no trial was trained with all seeds.
    """
    whole = [trial for trial in trials if trial.ap and not trial.stopped]
    if not whole:
        raise KdpipeError("no trial was trained to the end; see the failures above")
    return max(whole, key=lambda trial: trial.mean)
