"""Pictures for the documentation: of the report's page, and of MLflow's view of its trainings.

    python benchmarks/screenshots.py [FOLDER]

FOLDER is where the committed results were made, by default the repository: it has the runs of MLflow. They
need Chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from mlflow import MlflowClient
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
PORT = 5078
PAGES = {"page.png": (1180, 1330, "light"), "page-phone.png": (390, 844, "dark")}
VIEW, PARENT, WIDTH, HEIGHT = "view.png", "parent.png", 1600, 640
DRAWN = 300_000  # milliseconds that MLflow may take


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser of the system."""
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def ui(folder: Path) -> Iterator[str]:
    """Run `kdpipe ui` in a folder; return the address that it prints."""
    command = ["kdpipe", "ui", "--port", str(PORT)]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True
    ) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        address = re.search(r"http\S+", said)
        assert address is not None, said
        until_answered(f"http://127.0.0.1:{PORT}/health")
        yield address[0]
        os.killpg(server.pid, signal.SIGTERM)  # MLflow's processes too


def parent_page(folder: Path, address: str) -> str:
    """Return the address of the run with the report."""
    experiment = re.search(r"experiments/(\d+)", address)
    assert experiment is not None, address
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([experiment[1]], "tags.report_digest != ''")
    at = address[: address.index("/runs")]
    return f"{at}/runs/{run.info.run_id}?workflowType=machine_learning"


def until_answered(address: str) -> None:
    """Wait for a server that has just been started."""
    for _ in range(DRAWN // 1000):
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(1)
    sys.exit(f"{address} does not answer")


def main() -> None:
    """Write the pictures into docs."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    report = folder / "reports/index.html"
    if not report.exists():
        sys.exit(f"{report} does not exist; run `dvc repro`")
    with chromium() as browser:
        for name, (width, height, colours) in PAGES.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=colours)
            page.goto(report.as_uri())
            page.locator("input[type=search]").first.wait_for()
            page.screenshot(path=ROOT / "docs" / name)
            print(f"docs/{name}")
        with ui(folder) as address:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(address)
            page.wait_for_function("document.body.innerText.includes('Group: ')", timeout=DRAWN)
            page.screenshot(path=ROOT / "docs" / VIEW)
            print(f"docs/{VIEW}")
            page.set_viewport_size({"width": WIDTH, "height": 2 * HEIGHT})
            page.goto(parent_page(folder, address))
            page.wait_for_function("document.body.innerText.includes('/e2e/gain')", timeout=DRAWN)
            page.screenshot(path=ROOT / "docs" / PARENT)
            print(f"docs/{PARENT}")


if __name__ == "__main__":
    main()
