"""Run stage report: the runs in MLflow -> reports."""

from __future__ import annotations

from rich.markdown import Markdown
from rich.markup import escape

from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.report.tables import over_dis
from kdpipe.report.write import REPORTS_DIR
from kdpipe.stages.report import report_cells


@reporting_mistakes
def main() -> None:
    """Make MLflow equal to the records, then write the report from MLflow."""
    checked = preflight()
    done = report_cells(checked.params, checked.warnings)
    if done.synced.published:
        where = done.synced.store.shown_uri
        console.print(f"{len(done.synced.published)} runs brought up to date in {where}")
    for version in done.registered:
        console.print(f"best student -> model {version}")
    console.print(Markdown(over_dis(done.report.gains)))
    for warning in done.report.warnings:
        console.print(f"[bold red]warning:[/] {escape(warning)}")
    console.print(f"table -> {REPORTS_DIR}/benchmark.md; runs -> `make ui`")


if __name__ == "__main__":
    main()
