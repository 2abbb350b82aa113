"""The rules of the house that no linter checks; CONTRIBUTING.md explains them."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.project import REPOSITORY

MOST_MODULES = 6  # directly under kdpipe/
LONGEST_FILE = 250  # lines
LONGEST_LIST = 8  # files that something passes through


def test_everything_has_a_folder() -> None:
    top = {path.name for path in (REPOSITORY / "kdpipe").glob("*.py")}
    assert len(top) <= MOST_MODULES, f"kdpipe/ has {len(top)} modules at its top: {sorted(top)}"


def test_no_file_holds_two_things() -> None:
    for folder in ("kdpipe", "pipelines"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= LONGEST_FILE, path


def of_the_locale(path: Path) -> Iterator[int]:
    """Lines that read or write text in the encoding of the user's locale; ruff sees only some of them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        given = {keyword.arg for keyword in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of_others = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) in ("Image", "os")
        mode = [ast.unparse(argument) for argument in node.args[-1:]]
        binary = bool(mode) and "b" in mode[0] and mode[0].startswith("'")
        text = name in ("read_text", "write_text") or (name == "open" and not binary and not of_others)
        if (text or given & {"text", "universal_newlines"}) and "encoding" not in given:
            yield node.lineno


def test_files_are_utf_8_whatever_the_locale() -> None:
    found = [
        f"{path}:{line}"
        for folder in ("kdpipe", "pipelines", "benchmarks")
        for path in (REPOSITORY / folder).rglob("*.py")
        for line in of_the_locale(path)
    ]
    assert not found


def test_what_is_said_works_in_a_project_that_is_no_clone() -> None:
    """Such as one of `kdpipe init`, which has no pyproject.toml and no Makefile."""
    said = [path for path in (REPOSITORY / "kdpipe").rglob("*") if path.suffix in (".py", ".html", ".jinja")]
    for path in [*said, *(REPOSITORY / "docs").glob("*.md")]:
        assert "pip install -e" not in path.read_text(), path
    assert not [path for path in said if "`make ui`" in (text := path.read_text()) or ">make ui<" in text]


def test_every_folder_has_its_layer() -> None:
    """The contract is exhaustive: a new folder without a layer fails it. What is not imported is not seen."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    layers = contracts[0]
    assert layers["exhaustive"]
    named = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    folders = {path.parent.name for path in (REPOSITORY / "kdpipe").glob("*/__init__.py")}
    assert folders <= named


def test_the_walks_lead_through_files_that_are_there() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    section = text.split("## Three walks", 1)[1].split("\n## ", 1)[0]
    walks = section.split("\n### ")[1:]
    assert len(walks) == 3
    for walk in walks:
        steps = re.findall(r"^\d+\. `([^`]+)`", walk, re.MULTILINE)
        assert 3 <= len(steps) <= LONGEST_LIST, walk
        for step in steps:
            path = REPOSITORY / step
            assert path.exists() or path.name.startswith("NAME") or "NAME" in step, step
