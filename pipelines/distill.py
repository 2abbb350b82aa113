"""Stage distill: data/dataset, models/pairs/PAIR -> runs/distill/PAIR/DIS/SEED/train."""

from __future__ import annotations

import sys

from kdpipe.cells import find_cell
from kdpipe.console import reporting_mistakes
from kdpipe.preflight import preflight
from kdpipe.train_cell import train_cell


@reporting_mistakes
def main(pair: str, dis: str, seed: str) -> None:
    """Train a pair's student with its teacher."""
    params = preflight()
    train_cell(params, find_cell(params, "distill", [pair, dis, seed]))


if __name__ == "__main__":
    main(*sys.argv[1:])
