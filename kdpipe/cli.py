"""Define the command line of kdpipe; `kdpipe --help` lists the commands."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from kdpipe import __version__
from kdpipe.console import FAILED, console, reporting_mistakes
from kdpipe.errors import KdpipeError, counted, did_you_mean
from kdpipe.params.limits import MOST_SEED
from kdpipe.params.schema import UI_PORT
from kdpipe.paths import project_root

README = Path("README.md")
IMPORTED = Path("data/imported")

Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Trainings in parallel per machine; default: one per GPU."),
]
Ray = Annotated[str | None, typer.Option(help="Address of a Ray cluster that shares this folder.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


def main() -> None:
    """Run the `kdpipe` command."""
    reporting_mistakes(app)()


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Distil Ultralytics YOLO models and measure whether it paid; `dvc repro` runs the pipeline."""
    if version:
        console.print(__version__)
        raise typer.Exit
    if context.invoked_subcommand:
        context.obj = Path.cwd()  # paths on the command line are relative to it
        os.chdir(project_root())


@app.command()
def check() -> None:
    """Check params.yaml, and print what `dvc repro` would run."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.plan import tell

    tell(preflight(), console)


@app.command()
def doctor() -> None:
    """Check this machine, and print what would make `dvc repro` fail."""
    from kdpipe.commands.doctor import tell

    if not tell(console):
        raise typer.Exit(FAILED)


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages; default: all.")] = None,
    *,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Do what `dvc repro` does, with stages in parallel."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.repro import run

    if not run(preflight().params, targets or [], jobs, ray):
        raise typer.Exit(FAILED)


@app.command()
def status() -> None:
    """Show how far the trainings are, and the gains so far; also while they run."""
    from kdpipe.commands.status import tell

    tell(console)


@app.command()
def tune(
    pairs: Annotated[list[str] | None, typer.Argument(help="Pairs; default: all.")] = None,
    *,
    trials: Annotated[int, typer.Option(min=1, help="Number of trials, each a pair at one dis.")] = 12,
    low: Annotated[float | None, typer.Option(help="The smallest dis; default: by method.")] = None,
    high: Annotated[float | None, typer.Option(help="The largest dis; default: by method.")] = None,
    max_seeds: Annotated[int, typer.Option(min=0, help="Most new seeds to confirm it; 0: none.")] = 16,
    budget: Annotated[str | None, typer.Option(help="Most time to confirm it, such as 90m or 2h.")] = None,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Search for the best dis (and pair, with its method), and confirm its gain on new seeds."""
    from kdpipe.commands import confirm as confirmation
    from kdpipe.commands.repro import connected, the_only_one
    from kdpipe.commands.tune import checked_bounds, tell, tune

    limits = confirmation.Limits(max_seeds, confirmation.seconds_of(budget))
    with the_only_one(), connected(jobs, ray) as cluster:
        answer = tune(pairs or [], trials, checked_bounds(low, high), cluster)
        tell(answer)
        if max_seeds:
            confirmation.tell(confirmation.confirm([answer.best.pair], limits, cluster))


@app.command()
def confirm(
    pairs: Annotated[list[str] | None, typer.Argument(help="Pairs; default: those begun, else all.")] = None,
    *,
    max_seeds: Annotated[int, typer.Option(min=4, help="Most new seeds.")] = 16,
    budget: Annotated[str | None, typer.Option(help="Most time, such as 90m or 2h.")] = None,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Measure the gain of the best dis on new seeds, until it is decided."""
    from kdpipe.commands.confirm import Limits, confirm, seconds_of, tell
    from kdpipe.commands.repro import connected, the_only_one

    limits = Limits(max_seeds, seconds_of(budget))
    with the_only_one(), connected(jobs, ray) as cluster:
        tell(confirm(pairs or [], limits, cluster))


@app.command()
def preset(
    name: Annotated[str | None, typer.Argument(help="Name of the preset; without it, list all.")] = None,
) -> None:
    """Write a ready-made params.yaml, unless that would lose uncommitted edits."""
    from kdpipe.commands.presets import listed, use

    if name is None:
        console.print(listed())
        return
    use(name)
    console.print(f"{name} -> params.yaml; next: run `kdpipe check`, then `dvc repro`")


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder or file with annotations.")],
    *,
    task: Annotated[str, typer.Option(help="detect, segment, pose or obb.")] = "detect",
    out: Annotated[Path, typer.Option(help="New folder, relative to the project's root.")] = IMPORTED,
    images: Annotated[Path | None, typer.Option(help="Folder of the images, if not beside.")] = None,
    groups: Annotated[
        str | None,
        typer.Option(help="Regular expression; images with the same match in their names stay together."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Random seed of the split.")] = 0,
) -> None:
    """Convert Pascal VOC, COCO JSON, CVAT XML or loose YOLO files to a data set with a data yaml."""
    from kdpipe.checks.places import refuse_output
    from kdpipe.data.importing import import_data
    from kdpipe.models.tasks import TASKS

    refuse_output("--out", out)
    if task not in TASKS:
        raise KdpipeError(f"--task {task!r}: {did_you_mean(task, TASKS)}")
    start: Path = context.obj
    where = start / images if images else None
    done = import_data(start / source, out, task, images=where, groups=groups, seed=seed)
    for line in done.warnings:
        console.print(f"[yellow]warning:[/] {escape(line)}")
    console.print(", ".join(f"{split}: {counted(count, 'image')}" for split, count in done.images.items()))
    console.print(
        f"data yaml -> {done.yaml}; next: data.source: {done.yaml} in params.yaml, then run `kdpipe check`"
    )


@app.command()
def show() -> None:
    """Print the gain of every pair and dis, and the path of the HTML page."""
    from kdpipe.commands.show import tell
    from kdpipe.report.read import load_content

    tell(load_content(), console)


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


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove the folders of trainings that params.yaml no longer names."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.clean import clean

    clean(preflight().params, yes=yes)


if __name__ == "__main__":
    main()
