"""Commands about results: the report, its table and MLflow."""

from __future__ import annotations

from contextlib import chdir
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kdpipe.cli.two_sides import SEPARATOR, TwoSides
from kdpipe.console import console
from kdpipe.errors import counted
from kdpipe.params.schema import METRICS, UI_PORT, Evaluate

README = Path("README.md")

app = typer.Typer()


@app.command()
def show() -> None:
    """Print the gain of every pair and dis, and the path of the HTML page."""
    from kdpipe.checks.outdated import outdated
    from kdpipe.commands.show import tell
    from kdpipe.report.read import load_content

    if why := outdated():
        console.print(f"[yellow]warning:[/] {escape(why)}")
    tell(load_content(), console)


@app.command(cls=TwoSides)
def compare(
    context: typer.Context,
    truth: Annotated[Path, typer.Argument(help="Annotation file of COCO.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="BASELINE... -- DISTILLED...",
            help="Result files of COCO, one per seed of each; the seeds are paired in this order.",
        ),
    ],
    *,
    metric: Annotated[str, typer.Option(help="AP, AP50 or AP75.")] = METRICS[0],
    task: Annotated[str, typer.Option(help="detect, segment or pose.")] = "detect",
    smallest: Annotated[
        float, typer.Option(help="The smallest gain worth having, in points.")
    ] = Evaluate.smallest,
) -> None:
    """Compare predictions of any tool: `kdpipe compare truth.json baseline-*.json -- distilled-*.json`."""
    from kdpipe.commands.compare import tell

    with chdir(context.obj):
        tell(truth, files, SEPARATOR, console, metric=metric, task=task, smallest=smallest)


@app.command()
def export(
    pair: Annotated[str, typer.Argument(help="Name of a pair in params.yaml.")],
    *,
    format_: Annotated[str, typer.Option("--format", help="Such as onnx or openvino-int8.")] = "onnx",
    head: Annotated[str | None, typer.Option(help="e2e or nms; default: the head that decides.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder; default: exports/PAIR-FORMAT-HEAD.")] = None,
) -> None:
    """Write the best student of a pair as a file to ship, with a model card and an example."""
    from kdpipe.commands import ship
    from kdpipe.stages.export import exported_file
    from kdpipe.tracking import attach_export

    choice = ship.choose(pair, format_, head)
    folder = ship.folder_of(choice, out)
    exported_file(choice.params, choice.exported)
    ship.write(choice, folder)
    console.print(f"{choice.exported.cell.id} -> {folder}; {folder / ship.CARD_FILE} is its model card")
    attach_export(choice.params.tracking, choice.exported.cell, folder, console)


@app.command()
def table() -> None:
    """Write the benchmark table into README.md, between its markers."""
    from kdpipe.commands.readme import update

    update(README, console)


@app.command()
def sync(
    rev: Annotated[list[str] | None, typer.Option(help="Also sync trainings of this git revision.")] = None,
    experiments: Annotated[
        bool, typer.Option("--experiments", help="Also sync trainings of all DVC experiments.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
) -> None:
    """Make MLflow hold exactly one finished run per training, from the records on disk."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.stages.report import sync_cells
    from kdpipe.tracking import experiments as all_experiments
    from kdpipe.tracking import finished_at

    revisions = [*(rev or []), *(all_experiments() if experiments else [])]
    others = chain.from_iterable(map(finished_at, revisions))
    found, registered = sync_cells(preflight().params, others, dry_run=dry_run)
    would_be = "would be " if dry_run else ""
    for cell in found.published:
        console.print(f"{cell}: run {would_be}brought up to date")
    for cell in found.killed:
        console.print(f"{cell}: run {would_be}marked as killed")
    published = counted(len(found.published), "run")
    console.print(f"{published} {would_be}brought up to date in {found.store.shown_uri}")
    for version in registered:
        console.print(f"best student -> model {version}")


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = UI_PORT,
) -> None:
    """Start the MLflow UI for this machine only, or print the URL of the tracking server."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.ui import serve

    raise typer.Exit(serve(preflight().params.tracking, port))
