"""The benchmark table inside README.md, between two markers."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from rich.console import Console

from kdpipe.errors import KdpipeError

START, END = "<!-- kdpipe table: start -->", "<!-- kdpipe table: end -->"
BLOCK = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
BENCHMARK = Path("reports/benchmark.md")
DETAILS = "<!-- details -->"


def update(readme: Path, console: Console, *, check: bool) -> None:
    """Put the current table into README.md, or only check that it is there.

    Raises:
        KdpipeError: if there is no table yet, no place for it, or with `check` another one.
    """
    current, wanted = readme.read_text() if readme.exists() else "", with_table(readme)
    if current == wanted:
        console.print(f"{readme} shows the current table")
    elif check:
        changes = difflib.unified_diff(current.split("\n"), wanted.split("\n"), lineterm="", n=0)
        console.print("\n".join(changes), markup=False, highlight=False)
        raise KdpipeError(f"{readme} is out of date; run `kdpipe table`")
    else:
        readme.write_text(wanted)
        console.print(f"table -> {readme}")


def with_table(readme: Path, benchmark: Path = BENCHMARK) -> str:
    """The text of README.md with the current table, down to where the details begin.

    Raises:
        KdpipeError: if there is no table yet, or no place for it.
    """
    if not benchmark.exists():
        raise KdpipeError(f"{benchmark} does not exist; run `dvc repro`")
    text = readme.read_text() if readme.exists() else ""
    if not BLOCK.search(text):
        raise KdpipeError(f"{readme} has no place for the table; add the lines {START} and {END}")
    body = benchmark.read_text().split("\n", 1)[1].split(DETAILS)[0].strip().replace("\n## ", "\n### ")
    return BLOCK.sub(lambda _: f"{START}\n{body}\n{END}", text)
