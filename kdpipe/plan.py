"""What `dvc repro` would do: cells to run, cells up to date, and a rough time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from kdpipe.cells import RUNS_DIR, TEACHERS_DIR, Cell, all_cells
from kdpipe.config import Params
from kdpipe.errors import KdpipeError
from kdpipe.records import RECORD_FILE, load_record

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
        """The plan in a sentence."""
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
    times = _mean_seconds([Path(TEACHERS_DIR), Path(RUNS_DIR)])
    lines, seconds = [], 0.0
    known = True
    for kind in KINDS:
        of_kind = [cell for cell in cells if cell.kind == kind]
        to_run = [cell for cell in of_kind if stage_name(cell) in stale]
        lines.append(Line(kind, len(of_kind), len(to_run)))
        known = known and (not to_run or kind in times)
        seconds += len(to_run) * times.get(kind, 0.0)
    return Plan(lines, seconds if known else None)


def stage_name(cell: Cell) -> str:
    """The name of a cell's stage in dvc.yaml."""
    kind, *axes = cell.id.split("/")
    return f"{kind}@{'-'.join(axes)}"


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
