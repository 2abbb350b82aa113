"""Run stage evaluate: data/dataset and the predictions of a training -> its eval/metrics.json."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_cell
from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.params.edits import Written
from kdpipe.stages.evaluate import evaluate_cell


@reporting_mistakes
def main(*given: str) -> None:
    """Evaluate the predictions of a training: of the given id, or else of the one that DVC runs this for."""
    written = Written()
    params = preflight().params
    cell = this_cell(params, given)
    stage = f"evaluate_{cell.stage}"
    with claimed(stage):
        metrics_by_split = evaluate_cell(params, cell)
    written.refuse_edits(stage, cell.name)
    for split, heads in metrics_by_split.items():
        scores = "  ".join(f"{head} {metrics['coco/AP']:.3f}" for head, metrics in heads.items())
        console.print(f"{cell.id}  COCO AP on {split}: {scores or 'no predictions'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
