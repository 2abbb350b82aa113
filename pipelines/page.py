"""Run stage page: reports and predictions -> reports/index.html and reports/plots."""

from __future__ import annotations

from kdpipe.checks.preflight import preflight
from kdpipe.console import console, reporting_mistakes
from kdpipe.errors import counted
from kdpipe.report.write import PAGE_FILE, REPORTS_DIR
from kdpipe.stages.page import make_page


@reporting_mistakes
def main() -> None:
    """Draw the figures and write the page."""
    plots = make_page(preflight().params)
    figures = counted(len(plots), "figure")
    console.print(f"{figures} and the page -> {REPORTS_DIR / PAGE_FILE}; open it in a browser")


if __name__ == "__main__":
    main()
