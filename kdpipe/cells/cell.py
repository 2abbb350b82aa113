"""The cells of the comparison: what params.yaml asks to train, and where each cell lies."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdpipe.errors import ParamsError, did_you_mean

if TYPE_CHECKING:
    from kdpipe.params.schema import Params

TEACHERS_DIR = Path("models/teachers")
PAIRS_DIR = Path("models/pairs")
RUNS_DIR = Path("runs")
DATASET_DIR = Path("data/dataset")

BEST_FILE = "best.pt"
TEACHER_FILE = "teacher.pt"
PAIR_FILE = "pair.json"
CHOICE_FILE = "choice.json"

TEACHER_SEED = 0


@dataclass(frozen=True)
class Cell:
    """One training: a teacher, a baseline student, or a distilled student."""

    kind: str
    name: str
    train_dir: Path
    val_dir: Path
    eval_dir: Path
    seed: int
    dis: int | float | None = None

    @property
    def id(self) -> str:
        """A name for people and for MLflow, such as `distill/n-s/6.0/0`."""
        axes = [self.kind, self.name]
        if self.dis is not None:
            axes.append(str(self.dis))
        if self.kind != "teacher":
            axes.append(str(self.seed))
        return "/".join(axes)

    @property
    def stage(self) -> str:
        """The name of its stage in dvc.yaml, such as `distill@n-s-6.0-0`."""
        kind, *axes = self.id.split("/")
        return f"{kind}@{'-'.join(axes)}"


def teacher_cell(teacher: str) -> Cell:
    """The cell of a teacher; a teacher has one seed, whatever the sweep."""
    folder = RUNS_DIR / "teacher" / teacher
    return Cell("teacher", teacher, TEACHERS_DIR / teacher, folder / "val", folder / "eval", TEACHER_SEED)


def baseline_cell(student: str, seed: int) -> Cell:
    """The cell of a student trained without a teacher."""
    folder = RUNS_DIR / "baseline" / student / str(seed)
    return Cell("baseline", student, folder / "train", folder / "val", folder / "eval", seed)


def distill_cell(pair: str, dis: int | float, seed: int) -> Cell:
    """The cell of a pair's student trained with its teacher."""
    folder = RUNS_DIR / "distill" / pair / str(dis) / str(seed)
    return Cell("distill", pair, folder / "train", folder / "val", folder / "eval", seed, dis)


def all_cells(params: Params) -> Iterator[Cell]:
    """Every cell that params.yaml names, in the order of the pipeline."""
    yield from map(teacher_cell, params.teachers)
    for student in params.students:
        yield from (baseline_cell(student, seed) for seed in params.sweep.seeds)
    for pair in params.pairs:
        for dis in params.sweep.dis:
            yield from (distill_cell(pair, dis, seed) for seed in params.sweep.seeds)


def this_cell(params: Params, given: Sequence[str]) -> Cell:
    """The cell that a stage is to work on: the one whose id is given, or else the one that DVC runs it for.

    DVC says so in DVC_STAGE; names of params.yaml on a command line of dvc.yaml would go through a shell.

    Raises:
        ParamsError: if params.yaml does not name such a cell.
    """
    cells = list(all_cells(params))
    if given:
        known, wanted = {cell.id: cell for cell in cells}, given[0]
    else:
        known, wanted = {cell.stage: cell for cell in cells}, this_stage()
        wanted = wanted.removeprefix("validate_").removeprefix("evaluate_")
    if wanted not in known:
        raise ParamsError("(file)", f"names no cell {wanted!r}; {did_you_mean(wanted, known)}")
    return known[wanted]


def this_stage() -> str:
    """The stage that DVC runs this process for; nothing if it does not."""
    return os.environ.get("DVC_STAGE", "").rsplit(":", 1)[-1]  # after the path of its dvc.yaml


def abandoned(params: Params, root: Path) -> list[Path]:
    """Folders under `root` of cells and pairs that params.yaml no longer names."""
    cells = list(all_cells(params))
    kept = {root / path for cell in cells for path in (cell.train_dir, cell.val_dir, cell.eval_dir)}
    kept |= {root / PAIRS_DIR / pair for pair in params.pairs}
    found = [
        *root.glob(f"{TEACHERS_DIR}/*"),
        *root.glob(f"{PAIRS_DIR}/*"),
        *root.glob(f"{RUNS_DIR}/teacher/*/*"),
        *root.glob(f"{RUNS_DIR}/baseline/*/*/*"),
        *root.glob(f"{RUNS_DIR}/distill/*/*/*/*"),
    ]
    return sorted(path for path in found if path.is_dir() and path not in kept)
