"""Stage teacher: data/dataset -> models/teachers/TEACHER."""

from __future__ import annotations

import sys

from kdpipe.cells import find_cell
from kdpipe.console import reporting_mistakes
from kdpipe.preflight import preflight
from kdpipe.train_cell import train_cell


@reporting_mistakes
def main(teacher: str) -> None:
    """Train a teacher, fine-tune it, or take it as it is."""
    params = preflight()
    train_cell(params, find_cell(params, "teacher", [teacher]))


if __name__ == "__main__":
    main(*sys.argv[1:])
