"""Print the report in a terminal."""

from __future__ import annotations

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kdpipe.errors import counted
from kdpipe.report.formatting import gain_row
from kdpipe.report.read import Content
from kdpipe.report.write import PAGE_FILE, REPORTS_DIR

COLUMNS = ("pair", "head", "dis", "baseline", "distilled", "gain", "verdict")
NEVER_BROKEN = ("baseline", "distilled")
COLOURS = {"better": "green", "worse": "red"}
WIDEST = 1000  # columns, of a file or a pipe, where nothing is cut off


def tell(content: Content, console: Console) -> None:
    """Print the answer, the gains, the warnings, and the path of the HTML page."""
    for answer in content.answers:
        console.print(escape(answer), style="bold")
    title = f"{content.label} ({content.metric}, %) on {content.split}"
    best = f"best: chosen on {content.choice_split}"
    if content.choice_split == content.split:
        best += ", the same images, so its result is too optimistic"
    _print(_gains(content.gains, title, best), console)
    if not content.confirmed.empty:
        seeds = counted(int(content.confirmed["seeds"].max()), "new seed")
        _print(_gains(content.confirmed, f"{title}, {seeds}", "dis chosen on other seeds"), console)
    for warning in content.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    console.print(f"figures, pictures, runs -> {REPORTS_DIR / PAGE_FILE}")


def _print(table: Table, console: Console) -> None:
    """Print a table: a narrow terminal breaks its lines, a file or a pipe has them whole."""
    wide = console if console.is_terminal else Console(file=console.file, width=WIDEST)
    wide.print(table, soft_wrap=False)


def _gains(gains: pd.DataFrame, title: str, caption: str) -> Table:
    """Return gains as a table, verdicts in colour."""
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in COLUMNS:
        table.add_column(name, no_wrap=name in NEVER_BROKEN, overflow="fold")
    for line in gains.to_dict("records"):
        colour = COLOURS.get(str(line["verdict"]).split()[0], "dim")
        row = {name: escape(text) for name, text in gain_row(line).items()}
        row["verdict"] = f"[{colour}]{row['verdict']}[/]"
        table.add_row(*(row[name] for name in COLUMNS))
    return table
