"""README and documentation: what they say to type works, and they can be built."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
import yaml
from dvc.cli.parser import get_main_parser

from kdpipe.cli import app
from tests.coco_files import write_arms
from tests.conftest import forget_others
from tests.project import REPOSITORY, Project, copy_of, copy_repository

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(bash|sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Neither ours nor DVC's.
OTHERS = {"git", "pip", "docker", "createdb", "mlflow", "ray", "source", "cd", "exec", "export"}
LONGEST_README = 150  # lines


def blocks(page: Path, *kinds: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind in kinds]


def commands() -> list[str]:
    lines = (line for page in PAGES for block in blocks(page, "bash", "sh") for line in block.splitlines())
    parts = (part.strip() for line in lines for part in line.split(" && "))
    return sorted({part for part in parts if part and not part.startswith("#")})


@pytest.mark.parametrize("command", commands())
def test_a_command_in_the_docs_is_one(command: str) -> None:
    """Its program and its options exist."""
    words = shlex.split(command, comments=True)
    while "=" in words[0]:  # environment variables
        words = words[1:]
    program, *arguments = words
    if program == "kdpipe":
        command_line = typer.main.get_command(app)
        if arguments[0].startswith("-"):
            command_line.make_context(program, arguments, resilient_parsing=True)
        else:
            command_line.commands[arguments[0]].make_context(arguments[0], arguments[1:])
    elif program == "dvc":
        get_main_parser().parse_args(arguments)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    elif program == "python":
        script = (REPOSITORY / arguments[0]).read_text()
        assert all(word in script for word in arguments if word.startswith("--"))
    else:
        assert program in OTHERS


@pytest.fixture(scope="module")
def finished(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project that has run, with the names and the `dis` that the docs use."""
    project = copy_of(first_run, tmp_path_factory.mktemp("docs") / "project")
    project.edit("sweep.dis", [2.0])
    project.edit("tracking.experiment", "kdpipe")
    activate = project.folder / ".venv/bin/activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    write_arms(project.folder)
    with pytest.MonkeyPatch.context() as patch:
        forget_others(patch)
        project.run("dvc", "repro")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "it has run")
    return project


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        page if page.stem == "README" else pytest.param(page, marks=pytest.mark.nightly)
        for page in PAGES
        if blocks(page, "bash", "python")
    ],
    ids=lambda page: page.name,
)
def test_what_a_page_says_to_type_works(finished: Project, page: Path) -> None:
    for block in blocks(page, "bash"):
        finished.run("bash", "-euo", "pipefail", "-c", block)
    for block in blocks(page, "python"):
        finished.run(sys.executable, "-c", block)
    finished.run("git", "checkout", "--quiet", "HEAD", "--", ".")


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= LONGEST_README


def test_the_documentation_is_built_and_needs_no_network(tmp_path: Path) -> None:
    copy_repository(tmp_path)
    site = Project(tmp_path)
    if f"typer=={version('typer')}" not in (REPOSITORY / "constraints.txt").read_text().splitlines():
        pytest.skip("docs/commands.md is written by the typer of constraints.txt, another one is installed")
    generate = "typer kdpipe.cli utils docs --name kdpipe --title Commands --output"
    site.run(*generate.split(), "new.md")
    assert (tmp_path / "new.md").read_text() == (tmp_path / "docs/commands.md").read_text(), "run `make docs`"
    site.run("zensical", "build", "--strict")
    pages = {
        path.relative_to(tmp_path / "site"): path.read_text() for path in (tmp_path / "site").rglob("*.html")
    }
    assert len(pages) >= len(PAGES)
    for name, text in pages.items():
        fetched = re.findall(
            r"<(?:script|link rel=\"stylesheet\"|img)[^>]*(?:src|href)=\"(https?:[^\"]*)", text
        )
        assert not fetched, f"{name} fetches {fetched}"
    reference = pages[Path("params.html")]
    assert "max_det" in reference
    assert "300" in reference


@pytest.mark.slow
def test_the_pull_request_workflow_writes_its_comment(finished: Project, tmp_path: Path) -> None:
    """Its own steps, as far as they need no host; what is installed already stands in for `make install`."""
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/table.yml").read_text())
    steps = workflow["jobs"]["table"]["steps"]
    script = next(step["run"] for step in steps if step.get("name") == "Write the comment")
    (finished.folder / ".venv/bin/dvc").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dvc "$@"\n')
    (finished.folder / ".venv/bin/dvc").chmod(0o755)
    finished.run("git", "update-ref", "refs/remotes/origin/main", "HEAD~1")
    answer = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=finished.folder,
        env=finished.environment | {"BASE": "main", "RUNNER_TEMP": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    comment = (tmp_path / "comment.md").read_text()
    assert "| reports/metrics.json | n-s.e2e.gain" in comment
    assert "### Every `dis`" in comment or "## Every `dis`" in comment
    assert "undecided" in comment or "better" in comment or "worse" in comment
    assert "What it cost" not in comment
