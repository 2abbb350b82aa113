"""Make a project in a folder of the user: with a preset, or with a comparison proposed for own data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from kdpipe.commands.presets import text_of
from kdpipe.commands.proposal import propose
from kdpipe.commands.template import NEW, Upgrade, make_project
from kdpipe.data.data_yaml import find_yaml
from kdpipe.data.importing import import_data
from kdpipe.errors import HOUR, KdpipeError, ParamsError, did_you_mean
from kdpipe.models.tasks import TASKS
from kdpipe.parallel.trials import rewriting
from kdpipe.params.schema import Data

DEFAULT = "digits"
BUDGET = 2 * HOUR
IMPORTED = Path("data/imported")


@dataclass(frozen=True)
class Question:
    """What a new project compares.

    Attributes:
        preset: Name of a preset; with `data`, on that data.
        data: A data yaml, a folder with one, or annotations of another tool; absolute.
        task: Task of its labels.
        budget: Time for all trainings in seconds, of a proposed comparison.
    """

    preset: str | None = None
    data: Path | None = None
    task: str = "detect"
    budget: float = BUDGET


def init(folder: Path, question: Question, console: Console) -> None:
    """Make a project, and say what comes next; the working directory becomes that of the project.

    Args:
        folder: The folder; it is made if it does not exist.
        question: What it compares.
        console: Where to say it.

    Raises:
        KdpipeError: if there are other files of these names, or the data cannot be read.
    """
    if question.task not in TASKS:
        raise KdpipeError(f"--task {question.task!r}: {did_you_mean(question.task, TASKS)}")
    if question.data and not question.data.exists():
        raise KdpipeError(f"--data {question.data} does not exist")
    text = text_of(question.preset or ("own-data" if question.data else DEFAULT))
    start = Path.cwd()
    make_project(folder, text)
    os.chdir(folder)
    if question.data:
        source = _source(question.data, question.task, console)
        with rewriting() as content:
            content["data"] = {"source": source, "task": question.task}
        if not question.preset:
            for reason in propose(Data(source, question.task), question.budget):
                console.print(escape(reason))
    console.print(f"{folder} is a project; params.yaml says what it compares")
    there = "" if folder == start else f"`cd {os.path.relpath(folder, start)}`, then "
    console.print(f"next: {there}`kdpipe check`, and `dvc repro`")


def _source(data: Path, task: str, console: Console) -> str:
    """`data.source` for data of the user, imported if it has no data yaml."""
    try:
        yaml = find_yaml(data)
    except ParamsError:
        done = import_data(data, IMPORTED, task, images=None, groups=None, seed=0)
        for line in done.warnings:
            console.print(f"[yellow]warning:[/] {escape(line)}")
        yaml = done.yaml.resolve()
    near = Path.cwd().resolve().parent
    return os.path.relpath(yaml) if yaml.is_relative_to(near) else str(yaml)


def tell(done: Upgrade, console: Console) -> None:
    """Print what an upgrade changed, and which stages run again."""
    if not (done.written or done.kept):
        console.print("nothing to upgrade: all files are those of the installed kdpipe")
    for name in done.written:
        console.print(f"{name}: written anew; `git diff {name}` shows how it has changed")
    for name in done.kept:
        console.print(
            f"[yellow]warning:[/] {name} has edits of yours, so the new one is {name}{NEW}; take over what "
            "has changed, then remove that"
        )
    for number, stages in done.stale.items():
        console.print(f"{number}: {', '.join(stages)} will run again")
    if done.written and not done.stale:
        console.print("no results become stale")
