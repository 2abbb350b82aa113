"""Run stage validate: data/dataset and best.pt of a training -> its val/metrics.json and predictions."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_cell
from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.params.edits import Written
from kdpipe.stages.validate import validate_cell


@reporting_mistakes
def main(*given: str) -> None:
    """Validate a training, once per split and head."""
    written = Written()
    params = preflight().params
    cell = this_cell(params, given)
    stage = f"validate_{cell.stage}"
    with claimed(stage):
        metrics_by_split = validate_cell(params, cell)
    written.refuse_edits(stage, cell.name)
    for split, heads in metrics_by_split.items():
        scores = "  ".join(f"{head} {metrics['mAP50-95']:.3f}" for head, metrics in heads.items())
        console.print(f"{cell.id}  mAP50-95 on {split}: {scores or 'no predictions'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
