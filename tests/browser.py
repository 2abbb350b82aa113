"""A real browser for the tests: Chromium of the system, which sees this machine only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")  # as systems call it
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@contextmanager
def browser(width: int, *, dark: bool = False) -> Iterator[tuple[Page, list[str], list[str]]]:
    """Open an empty page; return it with the addresses it asks for, and the errors it meets.

    Args:
        width: Of the window, in pixels.
        dark: Whether the user prefers dark colours.
    """
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        scheme = "dark" if dark else "light"
        page = opened.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        yield page, asked, errors
        opened.close()
