"""Print what an import has found."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from kdpipe.data.importing import ImportResult


def tell(done: ImportResult, console: Console) -> None:
    """Print what is notable about the data, and its images and objects."""
    for line in done.warnings:
        console.print(f"[yellow]warning:[/] {escape(line)}")
    console.print(done.table())
