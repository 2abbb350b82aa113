"""Render the HTML page: one self-contained file that works without a network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd
from itables import options
from markupsafe import Markup

from kdpipe.page.pictures import MOST_PAIRS, Row
from kdpipe.page.plot import BLUE, GREEN, GREY, INK, ORANGE, Plot
from kdpipe.report.formatting import HEAD_NAMES, gain_row, spread_of
from kdpipe.report.read import Content
from kdpipe.report.results import METRIC, OWN_METRIC

FOLDER = Path(__file__).parent
MOST_RUNS = 400  # MLflow has them all
MOST_NUMBERS = 120  # lines of the table under a figure; the file has them all
THEME = {
    INK: "currentColor",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    GREEN: "var(--green)",
    GREY: "var(--grey)",
}


@dataclass(frozen=True)
class Entry:
    """A cell of an HTML table: its text, sort key, link, and CSS class."""

    text: str
    order: float | str
    link: str = ""
    kind: str = ""


Table = list[dict[str, Entry]]


def render(
    content: Content,
    plots: Sequence[Plot],
    pictures: Sequence[Row],
    facts: Mapping[str, str],
    run_page: Callable[[str, str], str],
) -> str:
    """Return the page as HTML.

    Args:
        content: The content of the report.
        plots: The figures, in the order of the page.
        pictures: Rows of images with boxes.
        facts: Where the numbers come from, by name.
        run_page: Returns the URL of a run in MLflow from the ids of its experiment and its own.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    bundle = Path(options.dt_bundle)
    return environment.get_template("page.html").render(
        content=content,
        gains=_gains(content.gains),
        confirmed=_gains(content.confirmed),
        runs=_runs(content, run_page),
        left_out=max(0, len(content.measured) - MOST_RUNS),
        figures=[(plot, _themed(plot.svg), _table(plot.data)) for plot in plots],
        pictures=pictures,
        facts=facts,
        more_pairs=content.gains["pair"].nunique() > MOST_PAIRS,
        shown_pairs=MOST_PAIRS,
        most=MOST_NUMBERS,
        style=_trusted(
            bundle.with_suffix(".css").read_text(encoding="utf-8")
            + (FOLDER / "page.css").read_text(encoding="utf-8")
        ),
        tables_library=base64.b64encode(bundle.read_bytes()).decode(),
    )


def _themed(svg: str) -> Markup:
    """Return a figure in the colours of the page, light or dark."""
    svg = svg[svg.index("<svg") :]
    for colour, name in THEME.items():
        svg = svg.replace(colour, name)
    return _trusted(svg)


def _trusted(text: str) -> Markup:
    """Mark text as safe: this program drew it, or it is installed with it."""
    return Markup(text)  # noqa: S704


def _gains(table: pd.DataFrame) -> Table:
    """Return the table of gains; the outcome is in the first columns, which a phone shows."""
    return [
        {
            "pair": _word(row["pair"]),
            "verdict": Entry(row["verdict"], row["verdict"], kind=row["verdict"].split()[0].rstrip(":")),
            "gain": Entry(row["gain"], _number(line["gain"])),
            "head": _word(row["head"]),
            "dis": Entry(row["dis"], line["dis"]),
            "P(better)": Entry(row["P(better)"], _number(line["probability"])),
            "baseline": Entry(row["baseline"], _number(line["baseline"])),
            "distilled": Entry(row["distilled"], _number(line["distilled"])),
            "seeds": Entry(str(line["seeds"]), line["seeds"]),
            "student": _word(line["student"]),
            "teacher": _word(line["teacher"]),
        }
        for line in table.to_dict("records")
        for row in [gain_row(line)]
    ]


def _runs(content: Content, run_page: Callable[[str, str], str]) -> Table:
    shown = content.measured.head(MOST_RUNS)
    return [
        {
            "training": Entry(
                line["cell"], line["cell"], link=run_page(line["experiment_id"], line["run_id"])
            ),
            "head": _word(HEAD_NAMES[line["head"]]),
            content.metric: _share(line[METRIC]),
            "Ultralytics' own": _share(line[OWN_METRIC]),
            "minutes": Entry(f"{line['seconds'] / 60:.1f}", line["seconds"]),
            "memory (MiB)": Entry(f"{line['peak_memory_mib']:.0f}", line["peak_memory_mib"]),
        }
        for line in shown.to_dict("records")
    ]


def _table(data: pd.DataFrame) -> Table:
    """Return the numbers under a figure, with the columns of their file."""
    return [
        {
            str(name): Entry(f"{value:.6g}" if isinstance(value, float) else str(value), value)
            for name, value in line.items()
        }
        for line in data.head(MOST_NUMBERS).astype(object).where(data.notna(), "").to_dict("records")
    ]


def _word(text: str) -> Entry:
    return Entry(text, text)


def _share(value: float, sd: float | None = None) -> Entry:
    return Entry(spread_of(value, sd), _number(value))


def _number(value: float) -> float | str:
    return "" if pd.isna(value) else float(value)
