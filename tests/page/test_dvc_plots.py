"""DVC's own page of plots in a real browser, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdpipe.page.vega import save_vega
from tests.browser import browser, needs_browser
from tests.project import Project, copy_repository

pytestmark = needs_browser


def test_dvc_plots_show_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    save_vega()
    for command in (("git", "init", "--quiet"), ("dvc", "plots", "show")):
        Project(tmp_path).run(*command)
    drawn = tmp_path / "dvc_plots/index.html"
    with browser(1400) as (page, asked, errors):
        page.goto(drawn.as_uri())
        plots = page.locator(".vega-embed svg.marks")
        plots.nth(2).wait_for()
        assert all(plot.bounding_box()["height"] > 300 for plot in plots.all())
        assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
        assert errors == []
