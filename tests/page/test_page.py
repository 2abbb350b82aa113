"""The page and its figures say what the files and MLflow say."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import mlflow
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from kdpipe.commands.show import tell
from kdpipe.errors import KdpipeError
from kdpipe.page import figures, html
from kdpipe.page.pictures import Picture, Row
from kdpipe.page.plot import Plot
from kdpipe.page.provenance import provenance
from kdpipe.params.schema import Tracking
from kdpipe.params.tracking_uri import run_page
from kdpipe.report.read import Content, load_content
from tests.reported import SCORES, record_of

FIGURES = {"dis", "forest", "latency", "sizes", "classes", "curves", "costs"}
RUNS_AT = "http://127.0.0.1:5000/#/experiments/1/runs/"
DOT = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
LIGHT = 3_000_000  # bytes, without pictures


class Tables(HTMLParser):
    """The tables of a page by their ids, as lists of rows of texts, and what the page links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.links: list[str] = []
        self.ids: list[str] = []
        self._rows: list[list[str]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [str(given["id"])] if "id" in given else []
        self.links += [str(given[name]) for name in ("href", "src") if given.get(name)]
        if tag == "table":
            self._rows = self.tables[str(given["id"])] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self._rows[-1][-1] += data

    def frame(self, name: str) -> pd.DataFrame:
        header, *rows = self.tables[name]
        return pd.DataFrame(rows, columns=header)


@pytest.fixture(scope="module")
def reports(finished_folder: Path) -> Path:
    return finished_folder / "reports"


@pytest.fixture(scope="module")
def content(reports: Path) -> Content:
    return load_content(reports)


@pytest.fixture(scope="module")
def plots(content: Content) -> dict[str, Plot]:
    return {plot.name: plot for plot in figures.draw(content)}


@pytest.fixture(scope="module")
def page(content: Content, plots: dict[str, Plot]) -> str:
    picture = Row("n-s", "n-s, dis 1.0", "an image", [Picture(DOT, "truth, 1 box")])
    return html.render(
        content, list(plots.values()), [picture], {"data digest": "d" * 32}, partial(run_page, Tracking())
    )


def test_every_figure_is_drawn_for_paper_and_for_the_page(plots: dict[str, Plot], tmp_path: Path) -> None:
    assert set(plots) == FIGURES
    for plot in plots.values():
        plot.save(tmp_path)
        with Image.open(tmp_path / f"{plot.name}.png") as picture:
            assert picture.width > 600
            assert len(picture.getcolors(maxcolors=2**24) or ()) > 20
        svg = ET.parse(tmp_path / f"{plot.name}.svg")  # noqa: S314
        texts = "".join(svg.getroot().itertext())
        assert re.search("[a-z]{4}", texts), f"{plot.name}: text is not text"
        assert (tmp_path / f"{plot.name}.svg").read_text() == plot.svg, "not the same twice"


def test_the_page_says_what_files_and_mlflow_say(page: str, reports: Path) -> None:
    tables = Tables(page)
    mlflow.set_tracking_uri(f"sqlite:///{reports.parent}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=["test"])
    assert isinstance(runs, pd.DataFrame)
    by_cell = runs.set_index("tags.cell")
    listed = tables.frame("runs-table")
    assert len(listed) == 2 * len(SCORES)
    for line in listed.to_dict("records"):
        run = by_cell.loc[line["training"]]
        ap = run[f"metrics.test/{line['head'].lower()}/coco/AP"]
        assert line["COCO AP"] == f"{100 * ap:.1f}"
        assert f"{RUNS_AT}{run['run_id']}?workflowType=machine_learning" in tables.links
    gains = json.loads((reports / "benchmark.json").read_text())["comparisons"]
    wanted = {
        (one["pair"], one["dis"], one["head"].lower()): one
        for one in gains
        if one["kind"] == "distilled - baseline"
    }
    shown = tables.frame("gains-table").to_dict("records")
    assert len(shown) == len(wanted) == 4
    for line in shown:
        one = wanted[line["pair"], line["dis"].removesuffix(" (best of 2)"), line["head"].lower()]
        mean, low, high = (100 * one["gain"][name] for name in ("mean", "low", "high"))
        assert line["gain"] == f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        assert line["verdict"] == one["verdict"]
        assert line["baseline"].startswith(f"{100 * one['before_summary']['mean']:.1f} ± ")


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_the_numbers_under_a_figure_are_those_of_its_file(
    page: str, plots: dict[str, Plot], content: Content, reports: Path, name: str
) -> None:
    shown = Tables(page).frame(f"{name}-numbers")
    files = {"dis": "gains", "forest": "seeds"}
    file = pd.read_csv(reports / "numbers" / f"{files.get(name, name)}.csv", dtype={"dis": str})
    assert list(shown.columns) == list(file.columns)
    assert len(shown) == min(len(file), html.MOST_NUMBERS)
    for column in file.select_dtypes("number"):
        read = pd.to_numeric(shown[column])
        assert read.to_numpy() == pytest.approx(
            file[column].head(len(read)).to_numpy(), rel=1e-5, nan_ok=True
        )
    assert plots[name].data.equals(content.numbers[files.get(name, name)])


def test_a_figure_shows_its_numbers(content: Content, plots: dict[str, Plot]) -> None:
    gains = content.gains.query("head == 'e2e'")
    e2e, _ = plots["dis"].figure.axes[0].lines[:2]
    assert list(e2e.get_ydata()) == pytest.approx(100 * gains["gain"])
    assert list(e2e.get_xdata()) == [1.0, 6.0]
    bars = plots["costs"].figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == [1.0, 1.0, 1.0, 1.0]
    latency = content.numbers["latency"]
    front = latency[latency["front"]].sort_values("ms")
    best_student = latency[latency["kind"] != "teacher"]["AP"].max()
    assert front["AP"].tolist() == [best_student, latency["AP"].max()]


def test_the_page_needs_nothing_else_and_is_light(page: str) -> None:
    tables = Tables(page)
    assert len(page.encode()) < LIGHT
    fetched = [link for link in tables.links if not link.startswith(("#", "data:", "plots/", RUNS_AT))]
    assert not fetched
    ids = [name for name in tables.ids if name]
    assert len(ids) == len(set(ids)), "an id stands twice"
    assert {link[1:] for link in tables.links if link.startswith("#")} <= set(ids)
    for name in ("#1f2328", "#0072b2", "#d55e00"):  # colours that would not follow the dark mode
        assert name not in page.split("<main>")[1].split("<script", maxsplit=1)[0]


def test_names_are_text_whatever_they_hold(content: Content) -> None:
    script = "<script>alert(1)</script>"
    page = html.render(
        replace(content, warnings=[script]), [], [], {script: script}, partial(run_page, Tracking())
    )
    assert page.count("&lt;script&gt;alert(1)") == 3
    assert "<script>alert(1)" not in page


def test_provenance_names_what_differs() -> None:
    from kdpipe.data.manifest import Manifest, Split

    split = Split(100, 0, 100, {"0": 100}, {"small": 100}, [20, 20])
    manifest = Manifest("digits", "detect", "d" * 32, ["0"], None, {"val": split}, [], "")
    first, second = (record_of(cell) for cell in list(SCORES)[:2])
    second.environment["torch"] = "2.4.0"
    found = provenance([first, second], manifest)
    assert found["data digest"] == "d" * 32
    assert found["torch"] == "2.15.0, 2.4.0"
    assert found["trained at commit"] == "abc"


def test_a_report_of_an_older_version_is_made_again(reports: Path, tmp_path: Path) -> None:
    shutil.copytree(reports, tmp_path / "reports")
    file = tmp_path / "reports/benchmark.json"
    file.write_text(re.sub(r'^"images": .*\n', "", file.read_text(), flags=re.MULTILINE))
    with pytest.raises(KdpipeError, match=r"is of an older version of kdpipe; run `dvc repro`"):
        load_content(tmp_path / "reports")


def test_before_the_report_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KdpipeError, match=r"benchmark.json does not exist; run `dvc repro`"):
        load_content(tmp_path)


def test_table_page_and_terminal_give_the_same_answer(page: str, reports: Path, content: Content) -> None:
    (answer,) = content.answers
    assert answer.startswith("Better: yolo26n from yolo26s (n-s), dis 1.0, e2e head: +")
    assert "3 seeds, 384 test images" in answer
    assert f"**{answer}**" in (reports / "benchmark.md").read_text()
    assert answer in re.sub(r"</?code>", "`", page)
    assert answer in told(content)


def told(content: Content, width: int | None = None) -> str:
    """What `kdpipe show` prints into a file, or on a terminal of so many columns."""
    out = io.StringIO()
    tell(content, Console(file=out, soft_wrap=True, width=width, force_terminal=width is not None))
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def test_the_terminal_cuts_nothing_off(content: Content) -> None:
    """A file has whole lines; a terminal of 80 columns breaks them."""
    table = content.gains.assign(verdict="no gain worth having", tried=12)
    long = replace(content, numbers={**content.numbers, "gains": table})
    (line,) = (line for line in told(long).splitlines() if " e2e " in line and " 1.0 (best of 12) " in line)
    assert line.rstrip().endswith("no gain worth having")
    assert re.search(r"\+5\.0 \[\+4\.\d, \+5\.\d\]", line)
    narrow = told(long, 80)
    rows = [row for row in narrow.splitlines() if re.match(r" (n-s|pair|─)| {3,}\S", row)]
    assert rows
    assert max(map(len, rows)) <= 80
    assert "…" not in narrow
    assert {"worth", "having", "12)"} <= set(narrow.split())


def test_the_terminal_says_what_the_numbers_are_worth(content: Content) -> None:
    assert "too optimistic" not in told(content)
    assert "the same images, so its result is too optimistic" in told(replace(content, choice_split="test"))
