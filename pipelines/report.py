"""Stage report: the cells' runs in MLflow -> reports."""

from __future__ import annotations

from rich.markdown import Markdown
from rich.markup import escape

from kdpipe.cells import DATASET_DIR, all_cells
from kdpipe.console import console, reporting_mistakes
from kdpipe.data import load_manifest
from kdpipe.errors import KdpipeError
from kdpipe.preflight import measured_splits, preflight
from kdpipe.records import unlike_pairs
from kdpipe.report.files import REPORTS_DIR, write_report
from kdpipe.report.results import tidy
from kdpipe.report.tables import over_dis
from kdpipe.tracking import finished_cells, runs_table, sync


@reporting_mistakes
def main() -> None:
    """Make MLflow equal to the records, then the report from MLflow."""
    params = preflight()
    cells = list(all_cells(params))
    finished = finished_cells(cells)
    missing = [cell.id for cell in cells if cell not in {done.cell for done in finished if done.resamples}]
    if missing:
        raise KdpipeError(f"not trained and evaluated yet: {', '.join(missing)}; run `dvc repro`")
    synced = sync(params.tracking, finished)
    store = synced.store
    if synced.published:
        console.print(f"{len(synced.published)} runs brought up to date in {store.uri}")
    runs = runs_table(store, [done.record.fingerprint for done in finished])
    manifest = load_manifest(DATASET_DIR)
    resamples = {done.cell.id: done.resamples for done in finished}
    results = tidy(runs, measured_splits(params, manifest), resamples)
    unlike = unlike_pairs(done.record for done in finished)
    histories = {done.cell.id: done.history for done in finished if done.history}
    report = write_report(results, histories, unlike, manifest.warnings)
    console.print(Markdown(over_dis(report.comparisons)))
    for warning in report.warnings:
        console.print(f"[bold red]warning:[/] {escape(warning)}")
    console.print(f"table and plots -> {REPORTS_DIR}/benchmark.md; runs -> `make ui`")


if __name__ == "__main__":
    main()
