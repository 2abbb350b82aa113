"""Define the command line of kdpipe; `kdpipe --help` lists the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from kdpipe import __version__
from kdpipe.cli import project, results, runs
from kdpipe.console import console, reporting_mistakes
from kdpipe.paths import project_root

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


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


for commands in (project, runs, results):
    app.add_typer(commands.app)
