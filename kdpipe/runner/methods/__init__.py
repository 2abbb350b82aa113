"""Losses between student and teacher, one module per method; kdpipe/models/methods.py has what they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kdpipe.runner.methods.cwd import ChannelWise
from kdpipe.runner.methods.features_and_predictions import Sum
from kdpipe.runner.methods.l2 import WeightedL2
from kdpipe.runner.methods.ld import Distributions
from kdpipe.runner.methods.mgd import Masked
from kdpipe.runner.methods.pkd import Standardised
from kdpipe.runner.methods.predictions import Predictions
from kdpipe.runner.methods.step import Level, Loss


def loss_of(settings: Mapping[str, Any], levels: Sequence[Level]) -> Loss:
    """Return the loss of a method.

    Args:
        settings: `method`, and what a pair has of `beta` and `weights`.
        levels: Channels of student and teacher per level of the neck.
    """
    beta, weights = float(settings.get("beta", 0.0)), settings.get("weights", (1.0, 1.0))
    made: dict[str, Callable[[], Loss]] = {
        "l2": lambda: WeightedL2(levels),
        "cwd": lambda: ChannelWise(levels),
        "pkd": lambda: Standardised(levels),
        "mgd": lambda: Masked(levels),
        "ld": Distributions,
        "predictions": lambda: Predictions(beta),
        "features+predictions": lambda: Sum([WeightedL2(levels), Predictions(beta)], weights),
    }
    return made[settings["method"]]()
