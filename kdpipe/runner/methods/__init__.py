"""Losses between student and teacher, one module per method; `kdpipe/models/methods.py` says what they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdpipe.runner.methods.cwd import ChannelWise
from kdpipe.runner.methods.features_and_predictions import Sum
from kdpipe.runner.methods.ld import Distributions
from kdpipe.runner.methods.mgd import Masked
from kdpipe.runner.methods.pkd import Standardised
from kdpipe.runner.methods.l2 import WeightedL2
from kdpipe.runner.methods.predictions import Predictions
from kdpipe.runner.methods.step import Loss


def loss_of(method: str, options: Mapping[str, Any]) -> Loss:
    """Return the loss of a method with its options, such as `beta`."""
    beta = float(options.get("beta", 0.0))
    if method == "predictions":
        return Predictions(beta)
    if method == "features+predictions":
        weights = options.get("weights", (1.0, 1.0))
        return Sum([WeightedL2(), Predictions(beta)], [float(weight) for weight in weights])
    plain = {"l2": WeightedL2, "cwd": ChannelWise, "pkd": Standardised, "mgd": Masked, "ld": Distributions}
    return plain[method]()
