"""Make a project in a folder of the user: with a preset, or with a comparison proposed for own data."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from kdpipe.commands.presets import text_of
from kdpipe.commands.proposal import propose
from kdpipe.commands.template import NEW, Upgrade, check_folder, make_project
from kdpipe.data.data_yaml import find_yaml, read
from kdpipe.data.importing import ImportResult, import_data
from kdpipe.data.names import read_fields
from kdpipe.errors import HOUR, DataError, KdpipeError, ParamsError, did_you_mean
from kdpipe.models.tasks import TASKS
from kdpipe.parallel.trials import rewriting
from kdpipe.params.schema import Data

DEFAULT = "digits"
BUDGET = 2 * HOUR
IMPORTED = Path("data/imported")
YAMLS = (".yaml", ".yml")


@dataclass(frozen=True)
class Question:
    """What a new project compares.

    Attributes:
        preset: Name of a preset; with `data`, on that data.
        data: A data yaml, a folder with one, or annotations of another tool; absolute.
        task: Task of its labels; by default pose if they have keypoints, else detect.
        budget: Time for all trainings in seconds, of a proposed comparison.
    """

    preset: str | None = None
    data: Path | None = None
    task: str | None = None
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
    task = question.task or "detect"
    if task not in TASKS:
        raise KdpipeError(f"--task {task!r}: {did_you_mean(task, TASKS)}")
    if question.data and not question.data.exists():
        raise KdpipeError(f"--data {question.data} does not exist")
    start, text = Path.cwd(), text_of(question.preset or ("own-data" if question.data else DEFAULT))
    with _nothing_left(folder):
        check_folder(folder, text)
        yaml = _data_yaml(question.data, task, folder / IMPORTED, console) if question.data else None
        if yaml and question.task is None and "kpt_shape" in read_fields(yaml):
            task = "pose"
        source = _seen_from(folder, yaml) if yaml else None
    make_project(folder, text)
    os.chdir(folder)
    if source:
        with rewriting() as content:
            content["data"] = {"source": source, "task": task}
        if not question.preset:
            for reason in propose(Data(source, task), question.budget):
                console.print(escape(reason))
    console.print(f"{folder} is a project; params.yaml says what it compares")
    there = "" if folder == start else f"`cd {os.path.relpath(folder, start)}`, then "
    console.print(f"next: {there}`kdpipe check`, and `dvc repro`")


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Leave no folder behind that was made for data which cannot be read."""
    before = folder.exists()
    try:
        yield
    except BaseException:
        if not before:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _data_yaml(data: Path, task: str, imported: Path, console: Console) -> Path:
    """The data yaml of the user, if it can be used as it is; all else is imported."""
    with suppress(ParamsError, DataError):  # which import mends, or says again
        yaml = find_yaml(data)
        if yaml.suffix in YAMLS and read(yaml, task).splits.get("val"):
            return yaml
    done = import_data(data, imported, task, images=None, groups=None, seed=0)
    tell_import(done, console)
    return done.yaml


def _seen_from(folder: Path, yaml: Path) -> str:
    """The path of a data yaml as params.yaml has it: relative, unless it is far away."""
    return os.path.relpath(yaml, folder) if yaml.is_relative_to(folder.parent) else str(yaml)


def tell_import(done: ImportResult, console: Console) -> None:
    """Print what an import has found: images and objects, and what is notable about them."""
    for line in done.warnings:
        console.print(f"[yellow]warning:[/] {escape(line)}")
    console.print(done.table())


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
