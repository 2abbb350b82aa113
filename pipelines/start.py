"""Run stage start: models/teachers -> models/starts/STUDENT."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_item
from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import reporting_mistakes
from kdpipe.params.edits import Written
from kdpipe.stages.start import make_start


@reporting_mistakes
def main(*given: str) -> None:
    """Make the start weights of a student: of the given one, or else of the one that DVC runs this for."""
    written = Written()
    params = preflight().params
    student = this_item("students", params.students, given)
    stage = f"start@{student}"
    with claimed(stage):
        make_start(params, student)
    written.refuse_edits(stage, student)


if __name__ == "__main__":
    main(*sys.argv[1:])
