"""Run stage pick_teacher: models/teachers and their metrics -> models/pairs/PAIR."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_item
from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.params.edits import Written
from kdpipe.stages.pick_teacher import choose_teacher


@reporting_mistakes
def main(*given: str) -> None:
    """Choose the teacher of a pair: of the given one, or else of the one that DVC runs this for."""
    written = Written()
    params = preflight().params
    pair = this_item("pairs", params.pairs, given)
    stage = f"pick_teacher@{pair}"
    with claimed(stage):
        reason = choose_teacher(params, pair)
    written.refuse_edits(stage, pair)
    console.print(f"pair {pair}: {reason}")


if __name__ == "__main__":
    main(*sys.argv[1:])
