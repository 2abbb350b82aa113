"""Run stage page: reports and predictions -> reports/index.html, reports/plots, and both in MLflow."""

from __future__ import annotations

from rich.markup import escape

from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.errors import KdpipeError, counted
from kdpipe.params.edits import Written
from kdpipe.report.write import PAGE_FILE, REPORTS_DIR
from kdpipe.stages.page import glyphs_warning, make_page
from kdpipe.stages.report import log_report


@reporting_mistakes
def main() -> None:
    """Draw the figures, write the page, and show them in MLflow too."""
    written = Written()
    params = preflight().params
    with claimed("page"):
        plots = make_page(params)
    written.refuse_edits("page")
    try:
        log_report(params)
    except KdpipeError as error:  # everything is on disk
        console.print(f"[yellow]warning:[/] {escape(str(error))}; `kdpipe sync` will log the report")
    if sentence := glyphs_warning():
        console.print(f"[yellow]warning:[/] {escape(sentence)}")
    figures = counted(len(plots), "figure")
    console.print(f"{figures} and the page -> {REPORTS_DIR / PAGE_FILE}; open it in a browser")


if __name__ == "__main__":
    main()
