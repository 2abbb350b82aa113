"""The notebook of the documentation, run from its first cell to its last."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.project import REPOSITORY, Project

pytestmark = [pytest.mark.slow, pytest.mark.nightly]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
TIMEOUT = 600  # seconds of a cell


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in Project(REPOSITORY).environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(REPOSITORY / "docs/notebook.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]  # they would be of older code
    client = NotebookClient(notebook, timeout=TIMEOUT, resources={"metadata": {"path": tmp_path}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [str(one.get("text") or one.get("data", {}).get("text/plain", "")) for one in outputs]
    said = [COLOURS.sub("", text) for text in shown]
    assert any("5 trainings to run" in text for text in said)
    assert any("mAP50-95 (COCO AP, %) on test" in text for text in said)
    assert any("n-s" in text and "verdict" in text for text in said)
    assert any(text.startswith("Better: ") and "100 images" in text for text in said)
    assert (tmp_path / "study/reports/index.html").exists()
