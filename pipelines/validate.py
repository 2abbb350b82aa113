"""Run stage validate: data/dataset and best.pt of a training -> its val/metrics.json and predictions."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_cell
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.stages.validate import validate_cell


@reporting_mistakes
def main(*given: str) -> None:
    """Validate a training, once per split and head."""
    params = preflight().params
    cell = this_cell(params, given)
    for split, heads in validate_cell(params, cell).items():
        scores = "  ".join(f"{head} {metrics['mAP50-95']:.3f}" for head, metrics in heads.items())
        console.print(f"{cell.id}  mAP50-95 on {split}: {scores}")


if __name__ == "__main__":
    main(*sys.argv[1:])
