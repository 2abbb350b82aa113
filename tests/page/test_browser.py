"""The page in a real browser: it can be read, by everyone, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from kdpipe.page import figures, html
from kdpipe.page.pictures import Picture, Row
from kdpipe.params.schema import Tracking
from kdpipe.params.tracking_uri import run_page
from kdpipe.report.read import Content, load_content
from tests.browser import browser, needs_browser
from tests.page.test_page import DOT

pytestmark = needs_browser
A4 = 703  # pixels of 1/96 inch between margins of 12 mm


@pytest.fixture(scope="module")
def content(finished_folder: Path) -> Content:
    return load_content(finished_folder / "reports")


@pytest.fixture(scope="module")
def address(content: Content, finished_folder: Path) -> str:
    """Of the page of ten trainings."""
    row = Row("n-s", "n-s, dis 1.0", "an image", [Picture(DOT, who) for who in ("truth", "baseline")])
    facts = {"data digest": "d" * 32}
    page = html.render(content, figures.draw(content), [row], facts, partial(run_page, Tracking()))
    file = finished_folder / "reports/index.html"
    file.write_text(page, encoding="utf-8")
    return file.as_uri()


@pytest.fixture(params=[(1400, False), (1400, True), (390, False), (390, True)], ids=str)
def opened(request: pytest.FixtureRequest, address: str) -> Iterator[Page]:
    """On a desk and on a phone, light and dark; it asks for nothing and complains of nothing."""
    width, dark = request.param
    with browser(width, dark=dark) as (page, asked, errors):
        page.goto(address)
        page.locator("input[type=search]").first.wait_for()
        yield page
        assert [where for where in asked if not where.startswith("data:")] == [address]
        assert errors == []


def test_the_answer_is_the_first_that_one_reads(opened: Page, content: Content) -> None:
    (answer,) = content.answers
    first = opened.locator("header p").first
    assert first.inner_text() == answer.replace("`", "")
    assert first.bounding_box()["y"] + first.bounding_box()["height"] < 400


def test_it_has_no_accessibility_faults(opened: Page) -> None:
    found = Axe().run(opened)
    assert found.violations_count == 0, found.generate_report()


def test_figures_fit_and_the_verdict_is_seen(opened: Page) -> None:
    width = opened.viewport_size["width"]
    for figure in opened.locator(".figure svg").all():
        box = figure.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    verdict = opened.locator("#gains-table .verdict").first
    assert verdict.bounding_box()["x"] + verdict.bounding_box()["width"] <= width
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_a_column_sorts(opened: Page) -> None:
    opened.locator("#gains-table th", has_text="gain").click()
    shown = opened.locator("#gains-table tbody tr td:nth-child(3)").all_inner_texts()
    gains = [float(text.split()[0]) for text in shown]
    assert gains == sorted(gains)
    assert len(gains) == 4


def test_paper_loses_no_column(address: str) -> None:
    with browser(A4) as (page, _, _):
        page.goto(address)
        page.locator("input[type=search]").first.wait_for()
        page.emulate_media(media="print")
        for table in page.locator("table:visible").all():
            box = table.bounding_box()
            assert box["x"] + box["width"] <= A4, table.get_attribute("id")
