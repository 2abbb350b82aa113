from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from kdpipe import cli
from kdpipe import console as terminal
from tests.project import REPOSITORY

KDPIPE = Path(sys.executable).parent / "kdpipe"


def run(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KDPIPE, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_help_names_every_command_and_loads_no_torch() -> None:
    answer = run("--help")
    assert answer.returncode == 0
    for command in ("check", "sync", "table", "ui", "clean"):
        assert command in answer.stdout
    script = "import sys, kdpipe.cli; sys.exit(bool({'torch', 'mlflow', 'ultralytics'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_shell_completes_names_of_presets() -> None:
    words = {"_KDPIPE_COMPLETE": "complete_bash", "COMP_WORDS": "kdpipe preset coco8-", "COMP_CWORD": "2"}
    answer = subprocess.run([KDPIPE], env=os.environ | words, capture_output=True, text=True, check=False)
    assert answer.stdout.split() == ["coco8-pose", "coco8-seg"]


def test_a_mistake_exits_with_2_and_one_message(write_params: Callable[..., Path]) -> None:
    folder = write_params(train__epohcs=1).parent
    answer = run("check", cwd=folder)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert "error: params.yaml: train.epohcs" in answer.stderr


def test_a_path_that_the_locale_has_no_letters_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python encodes paths as the locale says, unless it is told not to."""
    said = io.StringIO()
    monkeypatch.setattr(terminal, "errors", Console(file=said, soft_wrap=True))
    command = terminal.reporting_mistakes(lambda: "größe".encode("ascii"))  # type: ignore[arg-type,return-value]
    with pytest.raises(UnicodeEncodeError):
        command()
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 2
    assert said.getvalue().startswith(r"error: 'gr\xf6\xdfe' cannot be the name of a file in this locale")
    assert "run `export PYTHONUTF8=1`" in said.getvalue()


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web"])
def test_a_port_that_there_is_not(port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(cli.app, ["ui", "--port", port])
    assert answer.exit_code == 2
    assert "Invalid value for '--port'" in answer.output


def test_an_unknown_command_exits_with_2() -> None:
    assert run("chek").returncode == 2


def test_brackets_in_a_message_are_not_taken_for_style(write_params: Callable[..., Path]) -> None:
    folder = write_params(sweep__seeds=[0.5]).parent
    assert "sweep.seeds[0]" in run("check", cwd=folder).stderr


@pytest.mark.skipif(os.name == "nt", reason="there is no make")
def test_make_lists_its_targets() -> None:
    listed = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "check", "format", "ui", "clean"):
        assert f"make {target}" in listed
