"""Stage baseline: data/dataset -> runs/baseline/STUDENT/SEED/train."""

from __future__ import annotations

import sys

from kdpipe.cells import find_cell
from kdpipe.console import reporting_mistakes
from kdpipe.preflight import preflight
from kdpipe.train_cell import train_cell


@reporting_mistakes
def main(student: str, seed: str) -> None:
    """Train a student without a teacher."""
    params = preflight()
    train_cell(params, find_cell(params, "baseline", [student, seed]))


if __name__ == "__main__":
    main(*sys.argv[1:])
