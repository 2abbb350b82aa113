"""Run stage report: the runs in MLflow -> reports."""

from __future__ import annotations

from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.commands.show import tell
from kdpipe.console import console, reporting_mistakes
from kdpipe.errors import counted
from kdpipe.params.edits import Written
from kdpipe.report.read import load_content
from kdpipe.stages.report import report_cells


@reporting_mistakes
def main() -> None:
    """Make MLflow equal to the records, then write the report from MLflow."""
    written = Written()
    checked = preflight()
    with claimed("report"):
        done = report_cells(checked.params, checked.warnings)
    written.refuse_edits("report")
    if done.synced.published:
        runs = counted(len(done.synced.published), "run")
        console.print(f"{runs} brought up to date in {done.synced.store.shown_uri}")
    for version in done.registered:
        console.print(f"best student -> model {version}")
    tell(load_content(), console)


if __name__ == "__main__":
    main()
