"""Stage report: the cells' runs in MLflow -> reports."""

from __future__ import annotations

from rich.markdown import Markdown

from kdpipe.cells import DATASET_DIR, all_cells
from kdpipe.console import console, reporting_mistakes
from kdpipe.data import load_manifest
from kdpipe.errors import KdpipeError
from kdpipe.preflight import preflight
from kdpipe.report.files import REPORTS_DIR, write_report
from kdpipe.report.tables import over_dis
from kdpipe.tracking import Store, finished_cells, publish, runs_table


@reporting_mistakes
def main() -> None:
    """Make MLflow equal to the records, then the report from MLflow."""
    params = preflight()
    finished = finished_cells(all_cells(params))
    try:
        store = Store(params.tracking)
        logged = sum(publish(store, cell) for cell in finished)
        runs = runs_table(store, [cell.record.fingerprint for cell in finished])
    except Exception as error:
        raise KdpipeError(f"the report is made from MLflow, which cannot be reached: {error}") from error
    if logged:
        console.print(f"{logged} runs brought up to date in {store.uri}")
    histories = {cell.cell.id: cell.history for cell in finished if cell.history}
    notes = load_manifest(DATASET_DIR).warnings
    report = write_report(runs, histories, params.validate.split, notes)
    console.print(Markdown(over_dis(report.rows)))
    for warning in report.warnings:
        console.print(f"[bold red]warning:[/] {warning}")
    console.print(f"table and plots -> {REPORTS_DIR}/benchmark.md; runs -> `make ui`")


if __name__ == "__main__":
    main()
