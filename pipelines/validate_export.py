"""Run stage validate_export: models/exported/FORMAT -> runs/exported/FORMAT."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import this_item
from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.params.edits import Written
from kdpipe.stages.evaluate import evaluate_cell
from kdpipe.stages.validate_exported import validate_exported


@reporting_mistakes
def main(*given: str) -> None:
    """Validate and evaluate what was exported to a format: to the given one, or to that of the DVC stage."""
    written = Written()
    params = preflight().params
    name = this_item("export.formats", params.export.formats, given)
    stage = f"validate_export@{name}"
    with claimed(stage):
        for cell in validate_exported(params, name):
            for split, heads in evaluate_cell(params, cell).items():
                scores = "  ".join(f"{head} {values['coco/AP']:.3f}" for head, values in heads.items())
                console.print(f"{cell.id} {name}  COCO AP on {split}: {scores}")
    written.refuse_edits(stage, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
