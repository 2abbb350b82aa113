"""The command line: `kdpipe --help` lists the commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from kdpipe import __version__
from kdpipe.console import FAILED, console, reporting_mistakes
from kdpipe.errors import KdpipeError, did_you_mean
from kdpipe.params.schema import UI_HOST, UI_PORT
from kdpipe.paths import project_root

README = Path("README.md")
IMPORTED = Path("data/imported")

Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Side by side on a machine; by default one per GPU.")
]
Ray = Annotated[str | None, typer.Option(help="Address of a Ray cluster that shares this folder.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


def main() -> None:
    """Entry point of the `kdpipe` command."""
    reporting_mistakes(app)()


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Distil Ultralytics YOLO models, and prove whether it paid. The work itself: `dvc repro`."""
    if version:
        console.print(__version__)
        raise typer.Exit
    if context.invoked_subcommand:
        context.obj = Path.cwd()  # where paths on the command line start
        os.chdir(project_root())


@app.command()
def check() -> None:
    """Check params.yaml, and print what `dvc repro` would do."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.drift import drift
    from kdpipe.commands.plan import make_plan

    checked = preflight()
    plan = make_plan(checked.params)
    table = Table("stage", "cells", "up to date", "to run", title="params.yaml is good")
    for line in plan.lines:
        table.add_row(line.stage, str(line.cells), str(line.cells - line.stale), str(line.stale))
    console.print(table)
    console.print(plan.summary)
    for sentence in (*drift(checked.params), *checked.warnings):
        console.print(f"[yellow]warning:[/] {escape(sentence)}")


@app.command()
def doctor() -> None:
    """Say what this machine has, and what would fail on it."""
    from kdpipe.commands.doctor import tell

    if not tell(console):
        raise typer.Exit(FAILED)


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages; by default all.")] = None,
    *,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Do what `dvc repro` does, with stages side by side."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.commands.repro import run

    if not run(preflight().params, targets or [], jobs, ray):
        raise typer.Exit(FAILED)


@app.command()
def tune(
    pairs: Annotated[list[str] | None, typer.Argument(help="Pairs; by default all.")] = None,
    *,
    trials: Annotated[int, typer.Option(min=1, help="How often to try a pair at one dis.")] = 12,
    low: Annotated[float, typer.Option(help="The smallest dis.")] = 0.1,
    high: Annotated[float, typer.Option(help="The largest dis.")] = 30.0,
    jobs: Jobs = None,
    ray: Ray = None,
) -> None:
    """Look for the dis (and the pair) that pays most, and measure its gain."""
    from kdpipe.commands.repro import connected, the_only_one
    from kdpipe.commands.tune import tell, tune

    if not 0 < low < high:
        raise KdpipeError(f"--low {low:g} --high {high:g}: write two numbers above 0, the smaller one first")
    with the_only_one(), connected(jobs, ray) as cluster:
        tell(tune(pairs or [], trials, (low, high), cluster))


@app.command()
def preset(
    name: Annotated[str | None, typer.Argument(help="Which one; without it they are listed.")] = None,
) -> None:
    """Write a ready-made params.yaml, unless that would lose edits."""
    from kdpipe.commands.presets import about, presets, use

    if name is None:
        listed = Table("preset", "what it is")
        for found, path in presets().items():
            listed.add_row(found, about(path))
        console.print(listed)
        return
    use(name)
    console.print(f"{name} -> params.yaml; next: `kdpipe check`, then `dvc repro`")


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder or file of annotations.")],
    *,
    task: Annotated[str, typer.Option(help="detect, segment, pose or obb.")] = "detect",
    out: Annotated[Path, typer.Option(help="New folder, from the project's root.")] = IMPORTED,
    images: Annotated[Path | None, typer.Option(help="Where the images are, if not beside.")] = None,
    groups: Annotated[
        str | None,
        typer.Option(help="Regular expression: images in whose names it finds the same stay together."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed splits otherwise.")] = 0,
) -> None:
    """Make a data yaml from Pascal VOC, COCO json, CVAT xml or loose YOLO files."""
    from kdpipe.data.importing import import_data
    from kdpipe.models.tasks import TASKS

    if task not in TASKS:
        raise KdpipeError(f"--task {task!r}: {did_you_mean(task, TASKS)}")
    start: Path = context.obj
    where = start / images if images else None
    done = import_data(start / source, out, task, images=where, groups=groups, seed=seed)
    for line in done.warnings:
        console.print(f"[yellow]warning:[/] {escape(line)}")
    console.print(", ".join(f"{split}: {count} images" for split, count in done.images.items()))
    console.print(
        f"data yaml -> {done.yaml}; next: data.source: {done.yaml} in params.yaml, then `kdpipe check`"
    )


@app.command()
def show() -> None:
    """Print the gains of every pair and dis, and where to see more."""
    from kdpipe.commands.show import tell
    from kdpipe.report.read import load_content

    tell(load_content(), console)


@app.command()
def table() -> None:
    """Put the benchmark table into README.md, between its markers."""
    from kdpipe.commands.readme import update

    update(README, console)


@app.command()
def sync(
    rev: Annotated[list[str] | None, typer.Option(help="Also what this git revision trained.")] = None,
    experiments: Annotated[
        bool, typer.Option("--experiments", help="Also what every DVC experiment trained.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Make MLflow hold exactly one finished run per trained cell, from the records on disk."""
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
    console.print(f"{len(found.published)} runs {would_be}brought up to date in {found.store.uri}")
    for version in registered:
        console.print(f"best student -> model {version}")


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = UI_PORT,
) -> None:
    """Open MLflow's pages on the runs of this project, on this machine only."""
    from kdpipe.checks.preflight import preflight
    from kdpipe.tracking import sync

    store = sync(preflight().params.tracking, []).store
    page = f"#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    if store.uri.startswith("http"):
        console.print(f"experiment {store.experiment}: {store.uri}/{page}")
        return
    console.print(f"experiment {store.experiment}: http://{UI_HOST}:{port}/{page}")
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.uri]
    command += ["--host", UI_HOST, "--port", str(port), "--workers", "1"]
    # Its jobs, processes of their own, are for language models.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove the folders of cells that params.yaml no longer names."""
    from kdpipe.cells.cell import abandoned
    from kdpipe.checks.preflight import preflight

    folders = abandoned(preflight().params, Path())
    if not folders:
        console.print("nothing to remove: every folder belongs to a cell of params.yaml")
        return
    for folder in folders:
        console.print(str(folder), highlight=False)
    if yes or typer.confirm(
        f"Remove these {len(folders)} folders? DVC's cache and MLflow keep their results."
    ):
        for folder in folders:
            shutil.rmtree(folder)
        console.print(f"{len(folders)} folders removed")
