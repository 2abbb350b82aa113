"""Names that are no plain words, in the figures, the page and the table."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from kdpipe.page import figures, fonts
from kdpipe.page.figures.origins import classes
from kdpipe.report.breakdown import Part, _named
from kdpipe.report.formatting import markdown, no_html
from kdpipe.report.read import Content

NAMES = [
    "$x_{$",
    "a|b",
    "<b>bold</b>",
    "traffic_light",
    "_x_",
    "5$ & 6$",
    "`tick`",
    "[a](http://b)",
    "back\\slash",
]


@pytest.fixture
def content() -> Content:
    rows = [
        {"pair": "n-s", "dis": "6", "head": head, "class": name, **Part(0.01 * number, None, None)._asdict()}
        for number, name in enumerate(NAMES, start=1)
        for head in ("e2e", "nms")
    ]
    empty = dict.fromkeys(("gains", "seeds", "latency", "costs", "sizes", "curves"), pd.DataFrame())
    numbers = {**empty, "classes": pd.DataFrame(rows)}
    return Content([], "mAP50-95", "COCO AP", "val", 10, "val", [], numbers, pd.DataFrame())


def drawn(content: Content) -> figures.Plot:
    with figures.style(content):
        plot = classes(content)
    assert plot is not None
    return plot


def test_dollars_in_names_are_no_formulas(content: Content, tmp_path: Path) -> None:
    plot = drawn(content)
    plot.save(tmp_path)
    texts = {text.strip() for text in ET.fromstring(plot.svg).itertext()}  # noqa: S314
    assert texts >= set(NAMES)


def test_a_row_of_the_table_stays_a_row() -> None:
    table = markdown(
        [{"pair": "n-s", "gained most": _named((name, Part(0.01, None, None)) for name in NAMES)}]
    )
    assert len(table.splitlines()) == 3
    row = table.splitlines()[2]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3  # of two columns
    assert "<b>" not in row
    assert "&lt;b&gt;bold&lt;/b&gt; +1.0" in row
    assert "traffic_light +1.0" in row
    assert r"\_x\_ +1.0" in row
    assert r"\[a\](http://b) +1.0" in row
    assert r"\`tick\` +1.0" in row


def test_a_note_holds_no_html() -> None:
    assert no_html("class <img src=x>\nis rare") == "class &lt;img src=x&gt; is rare"


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """A font of one character, 猫, as if installed."""
    pen = TTGlyphPen(None)
    for step, point in enumerate([(0, 0), (500, 700), (900, 0)]):
        (pen.lineTo if step else pen.moveTo)(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "cat": (1000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Only Cats", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = tmp_path / "cats.ttf"
    builder.save(path)
    return str(path)


@pytest.fixture
def no_font_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fonts of this machine must not decide."""
    ours = [font for font in font_manager.fontManager.ttflist if font.name in (fonts.USUAL, "STIXGeneral")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", ours)
    fonts._beside_usual.cache_clear()


@pytest.mark.usefixtures("no_font_known")
def test_characters_that_no_font_has_are_said_once(content: Content, tmp_path: Path) -> None:
    content = replace(
        content, numbers={**content.numbers, "classes": content.numbers["classes"].replace("a|b", "猫")}
    )
    assert fonts.without_glyph(fonts.names_of(content)) == "猫"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(content).save(tmp_path)
    assert ">猫<" in drawn(content).svg  # the reader's browser has a font


@pytest.mark.usefixtures("no_font_known")
def test_an_installed_font_is_used(content: Content, installed: str, tmp_path: Path) -> None:
    assert not fonts.without_glyph(["größe", "кот", "traffic light"])
    assert fonts.without_glyph(["猫"]) == "猫"
    fonts._beside_usual.cache_clear()
    font_manager.fontManager.addfont(installed)
    assert fonts.without_glyph(["猫"]) == ""
    assert fonts.families(["猫"]) == ["sans-serif", "Only Cats"]
    assert fonts.file_for("猫") == installed
    assert "DejaVuSans" in fonts.file_for("кот")
    content = replace(
        content, numbers={**content.numbers, "classes": content.numbers["classes"].replace("a|b", "猫")}
    )
    plot = drawn(content)
    plot.save(tmp_path)
    assert "Only Cats" in plot.svg
