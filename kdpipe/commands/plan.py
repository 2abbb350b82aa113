"""Plan what `dvc repro` would do: stages of each kind to run, those up to date, and a rough time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kdpipe.cells.cell import RUNS_DIR, TEACHERS, TEACHERS_DIR, Cell, all_cells, teacher_for
from kdpipe.cells.lock_file import mend
from kdpipe.cells.record import RECORD_FILE, load_record
from kdpipe.checks.downloads import warnings as downloads
from kdpipe.checks.preflight import Preflight
from kdpipe.checks.progress import progress
from kdpipe.checks.trainings import missing_devices
from kdpipe.commands.drift import drift
from kdpipe.commands.estimate import detectable_gains, estimated_seconds
from kdpipe.commands.store import store_warnings
from kdpipe.environment import git_problem, python_problem
from kdpipe.errors import KdpipeError, about, counted, raise_all
from kdpipe.models.entries import candidates
from kdpipe.params.schema import PARAMS_FILE, Params

KINDS = (*TEACHERS, "baseline", "distill")
SEEDS = {"sweep.seeds", "confirm"}
LOCKED = ("Unable to acquire lock", "it is being blocked by")  # in DVC's messages


@dataclass(frozen=True)
class Line:
    """The stages of one kind: how many there are, and how many are stale."""

    kind: str
    stages: int
    stale: int


class BusyError(KdpipeError):
    """Another DVC process holds the lock of this repository."""


@dataclass(frozen=True)
class Plan:
    """The stages of all kinds.

    `seconds` of training are None if they cannot be estimated; they are `rough` before one training of each
    kind has run. It is an upper bound if `at_most`: DVC skips a stage if those before it give the same result
    again.
    """

    lines: list[Line]
    seconds: float | None
    at_most: bool = False
    rough: bool = False

    @property
    def summary(self) -> str:
        """The plan in a sentence."""
        stale = sum(line.stale for line in self.lines if line.kind in KINDS)
        others = sum(line.stale for line in self.lines if line.kind not in KINDS)
        more = f", and {counted(others, 'other stage')}" if others else ""
        at_most = ", at most" if self.at_most else ""
        if stale == 0:
            return f"nothing to train{more} to run{at_most}" if others else "nothing to train"
        said = f"{counted(stale, 'training')} to run{more}{at_most}"
        if self.seconds is None:
            return f"{said}; the time is unknown until one training of each kind has run"
        source = "a timed step: it may take twice as long" if self.rough else "earlier ones"
        return f"{said}; {about(self.seconds)} of training, estimated from {source}"


def tell(checked: Preflight, console: Console) -> None:
    """Print the plan, and warnings about params.yaml and this machine.

    Raises:
        KdpipeError: if a training could not run on this machine.
    """
    raise_all(missing_devices(checked.params))
    about_store = store_warnings(checked.params.tracking)
    try:
        plan = make_plan(checked.params)
    except BusyError:
        console.print(f"params.yaml is valid; DVC is at work here: {progress(checked.params)}")
        console.print("`kdpipe status` shows each training; what is stale is known when DVC has ended")
        return
    table = Table("kind of stage", "stages", "up to date", "to run", title="params.yaml is valid")
    for line in plan.lines:
        table.add_row(line.kind, str(line.stages), str(line.stages - line.stale), str(line.stale))
    console.print(table)
    console.print(plan.summary)
    for sentence in detectable_gains(len(checked.params.sweep.seeds)):
        console.print(f"{escape(sentence)}, by the spread in the last report")
    of_machine = *filter(None, (python_problem(), git_problem())), *downloads(checked.params)
    for sentence in (*of_machine, *drift(checked.params), *about_store, *checked.warnings):
        console.print(f"[yellow]warning:[/] {escape(sentence)}")


def make_plan(params: Params) -> Plan:
    """Make the plan from `dvc status` and the times of finished trainings.

    Raises:
        KdpipeError: with DVC's message, if `dvc status` fails.
    """
    stale = _stale_stages()
    cells = list(all_cells(params))
    to_train = {cell for cell in cells if _must_train(cell, params, stale)}
    times = _mean_seconds([Path(TEACHERS_DIR), Path(RUNS_DIR)])
    lines = []
    for kind in KINDS:
        of_kind = [cell for cell in cells if cell.kind == kind]
        lines.append(Line(kind, len(of_kind), sum(cell in to_train for cell in of_kind)))
    of_arms: dict[tuple[str, str], float | None] = {}
    for cell in to_train:
        if (cell.kind, cell.name) not in of_arms:
            of_arms[cell.kind, cell.name] = times.get(cell.kind) or estimated_seconds(params, cell)
    seconds = [of_arms[cell.kind, cell.name] for cell in to_train]
    known = [found for found in seconds if found is not None]
    stages, run = _to_run(params, to_train, stale)
    lines += [Line(kind, len(names), len(names & run)) for kind, names in stages.items()]
    counted_ones = {cell.stage for cell in to_train}.union(*stages.values()) & run
    return Plan(
        lines=[line for line in lines if line.stages],
        seconds=sum(known) if len(known) == len(seconds) else None,
        at_most=not counted_ones <= stale,
        rough=any(cell.kind not in times for cell in to_train),
    )


def _to_run(params: Params, to_train: set[Cell], stale: set[str]) -> tuple[dict[str, set[str]], set[str]]:
    """Return the stages that train nothing, by kind, and the names of all stages to run."""
    cells = list(all_cells(params))
    teachers = [cell for cell in cells if cell.kind in TEACHERS]
    started = {name: student.starts_from for name, student in params.students.items() if student.starts_from}
    stages = {
        "prepare": {"prepare"},
        "start": {f"start@{name}" for name in started},
        "pick_teacher": {f"pick_teacher@{name}" for name in params.pairs},
        "validate": {f"validate_{cell.stage}" for cell in cells},
        "evaluate": {f"evaluate_{cell.stage}" for cell in cells},
        "export": {f"export@{name}" for name in params.export.formats},
        "validate_export": {f"validate_export@{name}" for name in params.export.formats},
        "report": {"report"},
        "page": {"page"},
    }
    run = {cell.stage for cell in to_train} | stale
    run |= {f"validate_{cell.stage}" for cell in cells if cell.stage in run}
    run |= {f"evaluate_{cell.stage}" for cell in cells if f"validate_{cell.stage}" in run}
    trained = {cell.name for cell in teachers if cell.stage in run}
    run |= {f"start@{name}" for name, teacher in started.items() if teacher in trained}
    measured = {f"evaluate_{cell.stage}" for cell in teachers}
    if run & (stages["start"] | measured):  # a choice depends on all teachers
        run |= stages["pick_teacher"]
    if run & (stages["evaluate"] | stages["pick_teacher"] | stages["report"]):
        run |= stages["export"] | stages["validate_export"] | stages["report"] | stages["page"]
    return stages, run


def _must_train(cell: Cell, params: Params, stale: set[str]) -> bool:
    """Whether a training or a stage before it is stale: `dvc status` names only the first of a chain.

    This is an upper bound: DVC skips a training if the stages before it give the same result again.
    """
    before = {"prepare", cell.stage}
    if cell.kind not in TEACHERS:
        name = cell.name if cell.kind == "baseline" else params.pairs[cell.name].student
        if started := params.students[name].starts_from:
            before |= {teacher_for(params, started, cell.seed).stage, f"start@{name}"}
    if cell.kind == "distill":
        before.add(f"pick_teacher@{cell.name}")
        teachers = candidates(params, params.pairs[cell.name])
        before |= {f"teacher@{name}" for name in teachers}
        before |= {teacher_for(params, name, cell.seed).stage for name in teachers}
        if len(teachers) > 1:  # then the choice depends on their AP
            before |= {f"{stage}_teacher@{name}" for stage in ("validate", "evaluate") for name in teachers}
    return bool(before & stale)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)


def _stale_stages() -> set[str]:
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    answer = _run(command)
    if answer.returncode and mend(answer.stderr):
        answer = _run(command)
    if any(words in answer.stderr for words in LOCKED):
        raise BusyError("DVC is at work here")
    if answer.returncode:
        raise KdpipeError(f"`dvc status` failed: {answer.stderr.strip()}")
    status: dict[str, list[Any]] = json.loads(answer.stdout or "{}")
    return {stage for stage, changes in status.items() if not _of_seeds_only(changes)}


def _of_seeds_only(changes: list[Any]) -> bool:
    """Whether a stage is stale only for seeds: it writes the same again for those it had."""
    return all(
        isinstance(change, dict)
        and set(change) == {"changed deps"}
        and set(change["changed deps"]) == {PARAMS_FILE}
        and set(change["changed deps"][PARAMS_FILE]) <= SEEDS
        for change in changes
    )


def _mean_seconds(folders: Iterable[Path]) -> dict[str, float]:
    records = []
    for path in (path for folder in folders for path in folder.rglob(RECORD_FILE)):
        with suppress(KdpipeError):  # a damaged one only makes the estimate coarser
            records.append(load_record(path.parent))
    return {
        kind: mean(times)
        for kind in KINDS
        if (times := [record.seconds for record in records if record.identity.kind == kind])
    }
