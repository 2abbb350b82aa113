"""Run stages teacher, baseline and distill: data/dataset (and models/pairs/PAIR) -> a training's folder."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_cell
from kdpipe.checks.preflight import preflight
from kdpipe.console import reporting_mistakes
from kdpipe.stages.train import train_cell


@reporting_mistakes
def main(*given: str) -> None:
    """Train a model, alone or with its teacher, or use its start weights as they are."""
    params = preflight().params
    train_cell(params, this_cell(params, given))


if __name__ == "__main__":
    main(*sys.argv[1:])
