"""Write the benchmark table into README.md, between two markers."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from kdpipe.errors import KdpipeError
from kdpipe.report.tables import DETAILS

START, END = "<!-- kdpipe table: start -->", "<!-- kdpipe table: end -->"
BLOCK = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
BENCHMARK = Path("reports/benchmark.md")


def update(readme: Path, console: Console) -> None:
    """Write the current table into README.md.

    Raises:
        KdpipeError: if there is no table yet, or README.md has no markers.
    """
    readme.write_text(with_table(readme), encoding="utf-8")
    console.print(f"table -> {readme}")


def with_table(readme: Path, benchmark: Path = BENCHMARK) -> str:
    """Return the text of README.md with the current table, without its details.

    Raises:
        KdpipeError: if there is no table yet, or README.md has no markers.
    """
    if not benchmark.exists():
        raise KdpipeError(f"{benchmark} does not exist; run `dvc repro`")
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    if not BLOCK.search(text):
        raise KdpipeError(f"{readme} has no place for the table; add the lines {START} and {END}")
    body = (
        benchmark.read_text(encoding="utf-8")
        .split("\n", 1)[1]
        .split(DETAILS)[0]
        .strip()
        .replace("\n## ", "\n### ")
    )
    return BLOCK.sub(lambda _: f"{START}\n{body}\n{END}", text)
