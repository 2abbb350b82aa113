"""Print the report in a terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kdpipe.report.formatting import gain_row
from kdpipe.report.read import Content
from kdpipe.report.write import PAGE_FILE, REPORTS_DIR

COLUMNS = ("pair", "head", "dis", "baseline", "distilled", "gain", "verdict")
COLOURS = {"better": "green", "worse": "red"}


def tell(content: Content, console: Console) -> None:
    """Print the gains, the warnings, and the path of the HTML page."""
    console.print(_gains(content))
    for warning in content.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    console.print(f"figures, pictures, runs -> {REPORTS_DIR / PAGE_FILE}")


def _gains(content: Content) -> Table:
    """Return the gains of every pair and `dis` as a table, verdicts in colour."""
    title = f"mAP50-95 ({content.metric}, %) on {content.split}"
    best = f"* the best on {content.choice_split}"
    table = Table(title=title, caption=best, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in COLUMNS:
        table.add_column(name, no_wrap=True)
    for line in content.numbers["gains"].to_dict("records"):
        colour = COLOURS.get(str(line["verdict"]).split()[0], "dim")
        row = {name: escape(text) for name, text in gain_row(line).items()}
        row["dis"] += "*" if line["best"] else ""
        row["verdict"] = f"[{colour}]{row['verdict']}[/]"
        table.add_row(*(row[name] for name in COLUMNS))
    return table
