"""Stage validate: a cell's best.pt, data/dataset -> the cell's val/metrics.json."""

from __future__ import annotations

import sys

from kdpipe.cells import find_cell
from kdpipe.console import console, reporting_mistakes
from kdpipe.preflight import preflight
from kdpipe.validate_cell import validate_cell


@reporting_mistakes
def main(kind: str, *axes: str) -> None:
    """Validate a checkpoint, once per head."""
    params = preflight()
    cell = find_cell(params, kind, list(axes))
    for head, metrics in validate_cell(params, cell).items():
        console.print(f"{cell.id}  {head}: mAP50-95 {metrics['mAP50-95']:.3f}  mAP50 {metrics['mAP50']:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
