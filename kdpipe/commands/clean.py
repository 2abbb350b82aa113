"""Remove the folders of trainings that params.yaml no longer names, for `kdpipe clean`."""

from __future__ import annotations

import shutil
from pathlib import Path

import typer

from kdpipe.cells.cell import abandoned
from kdpipe.cells.finished import remove_committed, superseded
from kdpipe.console import console
from kdpipe.errors import counted
from kdpipe.params.schema import Params


def clean(params: Params, *, yes: bool) -> None:
    """List the folders, and remove them if the user agrees, or said `yes` before."""
    remove_committed()
    folders = [*abandoned(params, Path()), *superseded(params)]
    if not folders:
        console.print("nothing to remove: every folder belongs to a training of params.yaml")
        return
    for folder in folders:
        console.print(str(folder), highlight=False)
    number = counted(len(folders), "folder")
    kept = "DVC's cache and MLflow keep the results, except those in .kdpipe"
    if yes or typer.confirm(f"Remove {number}? {kept}."):
        for folder in folders:
            shutil.rmtree(folder)
        console.print(f"{number} removed")
