"""Stage page: reports, and the cells' predictions -> reports/index.html and reports/plots."""

from __future__ import annotations

from kdpipe.console import console, reporting_mistakes
from kdpipe.make_page import make_page
from kdpipe.preflight import preflight
from kdpipe.report.files import PAGE_FILE, REPORTS_DIR


@reporting_mistakes
def main() -> None:
    """Draw what was reported."""
    plots = make_page(preflight())
    console.print(f"{len(plots)} figures and the page -> {REPORTS_DIR / PAGE_FILE}; open it in a browser")


if __name__ == "__main__":
    main()
