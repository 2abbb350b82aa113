"""Run stage report: the runs in MLflow -> reports."""

from __future__ import annotations

from rich.markdown import Markdown
from rich.markup import escape

from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.errors import counted
from kdpipe.params.edits import Written
from kdpipe.report.tables import over_dis
from kdpipe.report.write import REPORTS_DIR
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
    console.print(Markdown(over_dis(done.report.gains)))
    for warning in done.report.warnings:
        console.print(f"[bold red]warning:[/] {escape(warning)}")
    for answer in done.report.answers:
        console.print(escape(answer), style="bold")
    console.print(f"table -> {REPORTS_DIR}/benchmark.md; runs -> `make ui`")


if __name__ == "__main__":
    main()
