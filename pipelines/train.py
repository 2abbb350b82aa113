"""Run stages teacher, baseline and distill: data/dataset (and models/pairs/PAIR) -> a training's folder."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_cell
from kdpipe.checks.preflight import preflight
from kdpipe.console import reporting_mistakes
from kdpipe.params.edits import Written
from kdpipe.stages.train import train_cell


@reporting_mistakes
def main(*given: str) -> None:
    """Train a model, alone or with its teacher, or use its start weights as they are."""
    written = Written()
    params = preflight().params
    cell = this_cell(params, given)
    train_cell(params, cell)
    written.refuse_edits(cell.stage, cell.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
