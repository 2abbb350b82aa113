"""Files are UTF-8, and nothing fails, in whichever locale a stage runs."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests.project import copy_of

pytestmark = pytest.mark.slow
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # else Python takes UTF-8 for C
LATIN = "en_US.ISO-8859-1"


def locale_of(name: str, folder: Path) -> dict[str, str]:
    """Environment variables of a locale; that of Latin-1 is made."""
    if name == "ascii":
        return ASCII
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(folder / LATIN)]
    if which(command[0]) is None or subprocess.run(command, check=False).returncode:
        pytest.skip("no localedef, or no sources of locales (Debian: package locales)")
    return {"LC_ALL": LATIN, "LOCPATH": str(folder), "PYTHONUTF8": "0"}


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "encoding"), [("ascii", "ascii"), ("latin", "iso8859-1")])
def test_reports_are_the_same(name: str, encoding: str, first_run: Path, tmp_path: Path) -> None:
    chosen = locale_of(name, tmp_path)
    ask = [sys.executable, "-c", "import locale; print(locale.getpreferredencoding(False))"]
    said = subprocess.run(ask, env=os.environ | chosen, capture_output=True, text=True, check=True).stdout
    assert codecs.lookup(said.strip()).name == encoding
    project = copy_of(first_run, tmp_path / "project")
    reports = project.folder / "reports"
    before = (reports / "benchmark.md").read_bytes()
    assert any(byte > 127 for byte in before)
    for command in (
        [sys.executable, "-m", "pipelines.prepare"],
        [sys.executable, "-m", "pipelines.report"],
        [sys.executable, "-m", "pipelines.page"],
        ["kdpipe", "show"],
        ["kdpipe", "table"],
    ):
        answer = subprocess.run(
            command,
            cwd=project.folder,
            env=project.environment | chosen,
            capture_output=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr.decode()
    assert (reports / "benchmark.md").read_bytes() == before
    for path in (reports / "index.html", project.folder / "README.md"):
        assert not path.read_bytes().decode("utf-8").isascii(), path
