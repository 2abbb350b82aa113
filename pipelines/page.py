"""Run stage page: reports and predictions -> reports/index.html and reports/plots."""

from __future__ import annotations

from rich.markup import escape

from kdpipe.cells.running import claimed
from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.errors import counted
from kdpipe.params.edits import Written
from kdpipe.report.write import PAGE_FILE, REPORTS_DIR
from kdpipe.stages.page import glyphs_warning, make_page


@reporting_mistakes
def main() -> None:
    """Draw the figures and write the page."""
    written = Written()
    params = preflight().params
    with claimed("page"):
        plots = make_page(params)
    written.refuse_edits("page")
    if sentence := glyphs_warning():
        console.print(f"[yellow]warning:[/] {escape(sentence)}")
    figures = counted(len(plots), "figure")
    console.print(f"{figures} and the page -> {REPORTS_DIR / PAGE_FILE}; open it in a browser")


if __name__ == "__main__":
    main()
