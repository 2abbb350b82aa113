"""Make a project in a folder of the user: with a preset, or with a comparison proposed for own data."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from kdpipe.cells import recipe
from kdpipe.commands import imported
from kdpipe.commands.presets import text_of
from kdpipe.commands.proposal import propose
from kdpipe.commands.template import Upgrade, check_folder, make_project
from kdpipe.data.data_yaml import find_yaml, read
from kdpipe.data.importing import import_data
from kdpipe.data.names import read_fields
from kdpipe.errors import HOUR, DataError, KdpipeError, ParamsError, did_you_mean
from kdpipe.models.tasks import TASKS
from kdpipe.parallel.trials import rewriting
from kdpipe.params.schema import PARAMS_FILE, Data
from kdpipe.params.yaml_text import value_of
from kdpipe.paths import IMPORTED

DEFAULT = "digits"
BUDGET = 2 * HOUR
YAMLS = (".yaml", ".yml")


@dataclass(frozen=True)
class Question:
    """What a new project compares.

    Attributes:
        preset: Name of a preset; with `data`, on that data.
        data: A data yaml, a folder with one, or annotations of another tool; absolute.
        task: Task of its labels; by default that of the preset, or pose if its yaml has `kpt_shape`.
        budget: Time for all trainings in seconds, of a proposed comparison.
    """

    preset: str | None = None
    data: Path | None = None
    task: str | None = None
    budget: float = BUDGET


def init(folder: Path, question: Question, start: Path, console: Console) -> None:
    """Make a project, and say what comes next; the working directory becomes that of the project.

    Args:
        folder: The folder; it is made if it does not exist.
        question: What it compares.
        start: Where the user is.
        console: Where to say it.

    Raises:
        KdpipeError: if there are other files of these names, or the data cannot be read.
    """
    if question.task is not None and question.task not in TASKS:
        raise KdpipeError(f"--task {question.task!r}: {did_you_mean(question.task, TASKS)}")
    if question.data and not question.data.exists():
        raise KdpipeError(f"--data {question.data} does not exist")
    text = text_of(question.preset or ("own-data" if question.data else DEFAULT))
    with _nothing_left(folder):
        check_folder(folder, text)
        data = _data(folder, question, text, console) if question.data else None
        make_project(folder, text)
        os.chdir(folder)
        if data:
            with rewriting() as content:
                content["data"] = {"source": data.source, "task": data.task}
        if data and not question.preset:
            for reason in propose(data, question.budget):
                console.print(escape(reason))
    console.print(f"{folder} is a project; params.yaml says what it compares")
    there = "" if folder == start else f"`cd {shlex.quote(os.path.relpath(folder, start))}`, then "
    console.print(f"next: {there}`kdpipe check`, and `dvc repro`")


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Leave nothing behind that keeps the same command from being typed again."""
    here, params = Path.cwd(), folder / PARAMS_FILE
    made = [path for path in (folder, folder / IMPORTED) if not path.exists()]
    kept = params.read_bytes() if params.is_file() else None
    try:
        yield
    except BaseException:
        os.chdir(here)
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        if params.is_file():
            params.unlink() if kept is None else params.write_bytes(kept)
        raise


def _data(folder: Path, question: Question, text: str, console: Console) -> Data:
    """The data as the project's params.yaml names it, with the task that was given, or that it is of."""
    task = question.task or (value_of(text)["data"]["task"] if question.preset else "detect")
    assert question.data is not None
    yaml = _data_yaml(question.data, task, folder / IMPORTED, console)
    if question.task is None and not question.preset and "kpt_shape" in read_fields(yaml):
        task = "pose"
    return Data(_seen_from(folder, yaml), task)


def _data_yaml(data: Path, task: str, out: Path, console: Console) -> Path:
    """The data yaml of the user, if it can be used as it is; all else is imported."""
    with suppress(ParamsError, DataError):  # which import mends, or says again
        yaml = find_yaml(data)
        if yaml.suffix in YAMLS and read(yaml, task).splits.get("val"):
            return yaml
    done = import_data(data, out, task, images=None, groups=None, seed=0)
    imported.tell(done, console)
    return done.yaml


def _seen_from(folder: Path, yaml: Path) -> str:
    """The path of a data yaml as params.yaml has it: relative, unless it is far away."""
    return os.path.relpath(yaml, folder) if yaml.is_relative_to(folder.parent) else str(yaml)


def tell(done: Upgrade, console: Console) -> None:
    """Print what an upgrade changed, and which stages run again."""
    if not (done.written or done.kept):
        console.print("nothing to upgrade: all files are those of the installed kdpipe")
    for name in done.written:
        console.print(f"{name}: written anew; `git diff {name}` shows how it has changed")
    for name in done.kept:
        console.print(
            f"[yellow]warning:[/] {name} has edits of yours, so the new one is {name}{recipe.NEW}; take over "
            "what has changed, then remove that"
        )
    for sentence in done.missing:
        console.print(f"[yellow]warning:[/] {escape(sentence)}")
    for number, stages in done.stale.items():
        console.print(f"{number}: {', '.join(stages)} will run again")
    if done.written and not done.stale:
        console.print("no results become stale")
