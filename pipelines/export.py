"""Run stage export: best.pt of the trainings that the report compares -> models/exported/FORMAT."""

from __future__ import annotations

import sys

from kdpipe.cells.cell import EXPORTED_DIR, this_item
from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.errors import counted
from kdpipe.params.edits import Written
from kdpipe.stages.export import export_to


@reporting_mistakes
def main(*given: str) -> None:
    """Export to a format: to the given one, or else to the one that DVC runs this for."""
    written = Written()
    params = preflight().params
    name = this_item("export.formats", params.export.formats, given)
    stage = f"export@{name}"
    with claimed(stage):
        exported = export_to(params, name)
    written.refuse_edits(stage, name)
    console.print(f"{name}: {counted(len(exported), 'file')} -> {EXPORTED_DIR / name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
