"""Update MLflow from the records, and write the report from its runs."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from pathlib import Path

from rich.markup import escape

from kdpipe.cells.cell import DATASET_DIR, RESULTS_DIR, all_cells
from kdpipe.cells.exported import SKIPPED_FILE, is_of, measured_as
from kdpipe.console import console
from kdpipe.data.manifest import load_manifest, measured_splits
from kdpipe.errors import KdpipeError
from kdpipe.models.formats import format_of
from kdpipe.models.to_export import is_quantized
from kdpipe.params.schema import Params
from kdpipe.paths import project_root
from kdpipe.report.fairness import unlike_pairs
from kdpipe.report.figure_data import MOST_CURVES
from kdpipe.report.question import question_of
from kdpipe.report.read import load_content
from kdpipe.report.results import Results
from kdpipe.report.runs import tidy
from kdpipe.report.write import PAGE_FILE, REPORTS_DIR, Report, write_report
from kdpipe.tracking import FinishedCell, SyncResult, finished_cells, publish_report, register, sync


@dataclass(frozen=True)
class ReportResult:
    """The outcome of the report stage: changes in MLflow, new model versions, results and report."""

    synced: SyncResult
    registered: list[str]
    results: Results
    report: Report


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Turn off garbage collection: among many objects that all stay it takes longer than reading them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_no_garbage()
def report_cells(params: Params, suspicions: Sequence[str]) -> ReportResult:
    """Make MLflow equal to the records, then write the report from MLflow.

    `suspicions` are the warnings of the checks, which the report repeats.

    Raises:
        KdpipeError: if a training is not finished and evaluated yet, or MLflow cannot be used.
    """
    finished = finished_cells(all_cells(params))
    missing = unfinished(params, finished)
    if missing:
        raise KdpipeError(f"not trained and evaluated yet: {', '.join(missing)}; run `dvc repro`")
    with ThreadPoolExecutor(2) as threads:  # reading many or remote files one by one is slow
        threads.map(FinishedCell.read_ahead, finished)
        synced = sync(params.tracking, finished)
    results = with_exports(params, read_results(params, finished, synced))
    confirmed = read_results(params, finished, synced, confirms=True) if params.confirm.seeds else None
    registered = register_best(params, finished, results)
    unlike = unlike_pairs(done.record for done in finished)
    histories = {done.cell.id: done.history for done in drawn(finished)}
    manifest = load_manifest(DATASET_DIR)
    warnings = [*manifest.warnings, *suspicions]
    images = manifest.splits[results.split].images
    report = write_report(results, histories, unlike, warnings, images=images, confirmed=confirmed)
    return ReportResult(synced, registered, results, report)


def drawn(finished: Iterable[FinishedCell]) -> Iterator[FinishedCell]:
    """Yield the trainings whose curves are shown: all seeds of the first arms of each kind.

    Not shown are those without a history, and new seeds, which would be compared with other seeds.
    """
    shown = (done for done in finished if done.history and not done.cell.confirms)
    for _, of_kind in groupby(shown, key=lambda done: done.cell.kind):
        arms = groupby(of_kind, key=lambda done: (done.cell.name, done.cell.dis))
        yield from chain.from_iterable(list(seeds) for _, seeds in islice(arms, MOST_CURVES))


@_no_garbage()
def sync_cells(
    params: Params, others: Iterable[FinishedCell] = (), *, dry_run: bool = False
) -> tuple[SyncResult, list[str]]:
    """Make MLflow equal to the records and the report; register the best students once all are evaluated.

    Args:
        params: All of params.yaml.
        others: Finished trainings of other revisions, which are synced too.
        dry_run: Change nothing, only return what would change.

    Returns:
        The changes in MLflow, and the new model versions.

    Raises:
        KdpipeError: if MLflow cannot be used.
    """
    finished = finished_cells(all_cells(params))
    synced = sync(params.tracking, chain(finished, others), dry_run=dry_run)
    if dry_run or unfinished(params, finished):
        return synced, []
    registered = register_best(params, finished, read_results(params, finished, synced))
    if (REPORTS_DIR / PAGE_FILE).exists():
        try:
            log_report(params)
        except KdpipeError as error:  # such as a report of an older version; the runs are synced
            console.print(f"[yellow]warning:[/] the report is not in MLflow: {escape(str(error))}")
    return synced, registered


def log_report(params: Params) -> None:
    """Show the report in MLflow.

    Raises:
        KdpipeError: if there is no report, or MLflow cannot be used.
    """
    content, column = load_content(), question_of(params.evaluate, {}).column
    heads = content.gains.sort_values("primary", ascending=False)["head"].unique()
    shown = [f"{content.split}/{head}/{column}" for head in heads]
    # Means of new seeds beside those of others would be no comparison.
    cells = [cell for cell in all_cells(params) if not cell.confirms]
    publish_report(params.tracking, REPORTS_DIR, content.answers, shown, finished_cells(cells))


def unfinished(params: Params, finished: Iterable[FinishedCell]) -> list[str]:
    """Return the ids of the trainings of params.yaml that are not finished and evaluated yet."""
    done = {cell.cell for cell in finished if cell.evaluated}
    return [cell.id for cell in all_cells(params) if cell not in done]


def read_results(
    params: Params, finished: Sequence[FinishedCell], synced: SyncResult, *, confirms: bool = False
) -> Results:
    """Return the results of the runs in MLflow; what is not logged comes from the files of the trainings.

    Args:
        params: All of params.yaml.
        finished: The finished trainings.
        synced: The sync that returned their runs.
        confirms: Take the seeds of `kdpipe confirm`, instead of those of the sweep.
    """
    splits = measured_splits(params, load_manifest(DATASET_DIR))
    chosen = [done for done in finished if done.cell.confirms == confirms or done.cell.kind == "teacher"]
    cells = {done.cell.id: done for done in chosen}
    runs = [synced.runs[done.record.fingerprint].to_dictionary() for done in chosen]
    tried = {} if confirms else params.sweep.tried  # new seeds played no part in a choice
    return tidy(runs, splits, cells, question_of(params.evaluate, tried))


def with_exports(params: Params, results: Results) -> Results:
    """Add the results of exported checkpoints.

    Raises:
        KdpipeError: if what was exported is not what is compared.
    """
    exported, skipped = {}, {}
    wanted = {
        line["cell"]
        for it in results.best
        for of in (it.baseline, it.distilled)
        for line in results.cells(of)
    }
    cells = {cell.id: cell for cell in all_cells(params)}
    for name in params.export.formats:
        of_format = format_of(name)
        if (reason := RESULTS_DIR / name / SKIPPED_FILE).exists():
            skipped[name] = reason.read_text(encoding="utf-8").strip()
            continue
        found = (FinishedCell(measured_as(cell, name), Path()) for cell in cells.values())
        exported[name] = {
            one.cell.id: one
            for one in found
            if one.evaluated and is_of(one.cell, one.record.weights_digest, Path())
        }
        takes = {cell for cell in wanted if of_format.of_quantized or not is_quantized(cells[cell])}
        if missing := sorted(takes - exported[name].keys()):
            raise KdpipeError(f"not exported to {name} yet: {', '.join(missing)}; run `dvc repro`")
    return replace(results, exported=exported, skipped=skipped)


def register_best(params: Params, finished: Iterable[FinishedCell], results: Results) -> list[str]:
    """Register the best student of each pair; not those of a `dvc exp` experiment in a temporary folder.

    Args:
        params: All of params.yaml.
        finished: The finished trainings.
        results: Their results.

    Returns:
        Name and version of each model whose best student has changed.
    """
    if project_root() != Path.cwd():
        return []
    cells = {done.cell.id: done for done in finished}
    best = {item.pair: cells[results.best_cell(item)] for item in results.best}
    return register(params.tracking, best)
