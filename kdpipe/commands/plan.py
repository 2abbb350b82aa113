"""What `dvc repro` would do: cells to run, cells up to date, and a rough time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from kdpipe.cells.cell import RUNS_DIR, TEACHERS_DIR, Cell, all_cells
from kdpipe.cells.record import RECORD_FILE, load_record
from kdpipe.errors import KdpipeError
from kdpipe.models.entries import candidates
from kdpipe.params.schema import Params

KINDS = ("teacher", "baseline", "distill")


@dataclass(frozen=True)
class Line:
    """One kind of training."""

    stage: str
    cells: int
    stale: int


@dataclass(frozen=True)
class Plan:
    """All that is to be trained; `seconds` is None while no cell of a kind was ever timed."""

    lines: list[Line]
    seconds: float | None

    @property
    def summary(self) -> str:
        """The plan in a sentence; what is stale only because of a stage before it is counted too."""
        stale = sum(line.stale for line in self.lines)
        if stale == 0:
            return "nothing to train"
        if self.seconds is None:
            return f"{stale} cells to train; how long it takes is known after the first of each kind"
        minutes = max(1, round(self.seconds / 60))
        return f"{stale} cells to train, roughly {minutes} min by the cells trained before"


def make_plan(params: Params) -> Plan:
    """Ask DVC which cells are stale, and the finished ones how long they took.

    Raises:
        KdpipeError: with DVC's own words, if it cannot tell.
    """
    stale = _stale_stages()
    cells = list(all_cells(params))
    to_train = {cell for cell in cells if _must_train(cell, params, stale)}
    times = _mean_seconds([Path(TEACHERS_DIR), Path(RUNS_DIR)])
    lines, seconds = [], 0.0
    known = True
    for kind in KINDS:
        of_kind = [cell for cell in cells if cell.kind == kind]
        to_run = [cell for cell in of_kind if cell in to_train]
        lines.append(Line(kind, len(of_kind), len(to_run)))
        known = known and (not to_run or kind in times)
        seconds += len(to_run) * times.get(kind, 0.0)
    return Plan(lines, seconds if known else None)


def _must_train(cell: Cell, params: Params, stale: set[str]) -> bool:
    """Whether a cell or anything before it is stale: DVC names only the first of a chain.

    At most, that is: if what comes before turns out as it was, DVC skips the cell.
    """
    before = {"prepare", cell.stage}
    if cell.kind == "distill":
        before.add(f"pick_teacher@{cell.name}")
        teachers = candidates(params, params.pairs[cell.name])
        before |= {f"teacher@{name}" for name in teachers}
        if len(teachers) > 1:  # then their AP decides which of them teaches
            before |= {f"{stage}_teacher@{name}" for stage in ("validate", "evaluate") for name in teachers}
    return bool(before & stale)


def _stale_stages() -> set[str]:
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise KdpipeError(f"`dvc status` failed: {answer.stderr.strip()}")
    return set(json.loads(answer.stdout or "{}"))


def _mean_seconds(folders: Iterable[Path]) -> dict[str, float]:
    records = [load_record(path.parent) for folder in folders for path in folder.rglob(RECORD_FILE)]
    return {
        kind: mean(times)
        for kind in KINDS
        if (times := [record.seconds for record in records if record.identity.kind == kind])
    }
