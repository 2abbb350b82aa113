"""The trainings that params.yaml asks for, and their folders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdpipe.errors import ParamsError, did_you_mean

if TYPE_CHECKING:
    from kdpipe.params.schema import Params

TEACHERS_DIR = Path("models/teachers")
STARTS_DIR = Path("models/starts")
PAIRS_DIR = Path("models/pairs")
RUNS_DIR = Path("runs")
DATASET_DIR = Path("data/dataset")
EXPORTED_DIR = Path("models/exported")
RESULTS_DIR = RUNS_DIR / "exported"  # of exported files

BEST_FILE = "best.pt"
START_FILE = "start.pt"
START_INFO = "start.json"
PAIR_FILE = "pair.json"
PAIR_SEEDS = "seeds"  # folder with a folder per seed: copies of its student's start weights and its teachers
CHOICE_FILE = "choice.json"

TEACHER_SEED = 0
PAIRED = "paired_teacher"  # kind of the trainings of a teacher that has one per seed
TEACHERS = ("teacher", PAIRED)
CONFIRM = "confirm"  # folder in the place of `dis`
CONFIRM_SEEDS = 16  # most new seeds of `kdpipe confirm`, unless it is told
TRIALS = "KDPIPE_TRIALS"  # environment variable with values of `dis` that params.yaml does not name


@dataclass(frozen=True)
class Cell:
    """One training: a teacher, one per seed of a paired teacher, a baseline or a distilled student.

    `confirms` is true for the seeds of `kdpipe confirm`, which played no part in a choice.
    """

    kind: str
    name: str
    train_dir: Path
    val_dir: Path
    eval_dir: Path
    seed: int
    dis: int | float | None = None
    confirms: bool = False

    @property
    def id(self) -> str:
        """Readable name, also used in MLflow, such as `distill/n-s/6.0/0`."""
        axes = [self.kind, self.name]
        if self.dis is not None:
            axes.append(str(self.dis))
        if self.kind != "teacher":
            axes.append(str(self.seed))
        return "/".join(axes)

    @property
    def stage(self) -> str:
        """Name of its stage in dvc.yaml, such as `distill@n-s-6.0-0` or `confirm_distill@n-s-3`."""
        if self.confirms:
            return f"confirm_{self.kind}@{self.name}-{self.seed}"
        kind, *axes = self.id.split("/")
        return f"{kind}@{'-'.join(axes)}"


def arm(kind: str, name: str, dis: str | None = None) -> str:
    """Return the name of what trainings that differ in their seed only have in common.

    Args:
        kind: `teacher`, `paired_teacher`, `baseline` or `distill`.
        name: Of the teacher, student or pair.
        dis: Weight of the distillation loss as text; None if it is not known, or there is none.
    """
    if kind == "distill":
        return f"{name} dis {dis}" if dis is not None else f"{name} distilled"
    return f"{name} {kind.replace('_', ' ')}"


def teacher_cell(teacher: str) -> Cell:
    """The training of a teacher; it has one seed, independent of the sweep."""
    folder = RUNS_DIR / "teacher" / teacher
    return Cell("teacher", teacher, TEACHERS_DIR / teacher, folder / "val", folder / "eval", TEACHER_SEED)


def paired_cell(teacher: str, seed: int) -> Cell:
    """The training of a paired teacher for the students of a seed."""
    folder = RUNS_DIR / PAIRED / teacher / str(seed)
    train_dir = TEACHERS_DIR / f"{teacher}@{seed}"  # no entry of params.yaml has such a name
    return Cell(PAIRED, teacher, train_dir, folder / "val", folder / "eval", seed)


def teacher_for(params: Params, teacher: str, seed: int) -> Cell:
    """The training of a teacher that the students of a seed start and learn from."""
    if teacher not in params.sweep.paired:
        return teacher_cell(teacher)
    return replace(paired_cell(teacher, seed), confirms=seed in params.confirm.seeds)


def baseline_cell(student: str, seed: int) -> Cell:
    """The training of a student without a teacher."""
    folder = RUNS_DIR / "baseline" / student / str(seed)
    return Cell("baseline", student, folder / "train", folder / "val", folder / "eval", seed)


def distill_cell(pair: str, dis: int | float, seed: int) -> Cell:
    """The training of a pair's student with its teacher.

    Args:
        pair: Name of the pair in params.yaml.
        dis: Weight of the distillation loss.
        seed: Random seed.
    """
    folder = RUNS_DIR / "distill" / pair / str(dis) / str(seed)
    return Cell("distill", pair, folder / "train", folder / "val", folder / "eval", seed, dis)


def confirming(params: Params) -> Iterator[Cell]:
    """The trainings with the seeds of `kdpipe confirm`."""
    for teacher in params.confirm.paired:
        yield from (teacher_for(params, teacher, seed) for seed in params.confirm.seeds)
    for student in params.confirm.students:
        yield from (replace(baseline_cell(student, seed), confirms=True) for seed in params.confirm.seeds)
    for pair, dis in params.confirm.pairs.items():
        for seed in params.confirm.seeds:
            folder = RUNS_DIR / "distill" / pair / CONFIRM / str(seed)
            places = (folder / "train", folder / "val", folder / "eval")
            yield Cell("distill", pair, *places, seed, dis, confirms=True)


def seeds_of_student(params: Params, student: str) -> list[int]:
    """The seeds that a student is trained with alone."""
    return [*params.sweep.seeds, *(params.confirm.seeds if student in params.confirm.students else ())]


def seeds_of_pair(params: Params, pair: str) -> list[int]:
    """The seeds that a pair's student is trained with by its teacher."""
    return [*params.sweep.seeds, *(params.confirm.seeds if pair in params.confirm.pairs else ())]


def start_folder(student: str, seed: int) -> Path:
    """Where stage start writes what the trainings of a student with a seed start from."""
    return STARTS_DIR / student / str(seed)


def pair_folder(pair: str, seed: int) -> Path:
    """A pair's copies of what its trainings with a seed start and learn from."""
    return PAIRS_DIR / pair / PAIR_SEEDS / str(seed)


def pair_teacher(pair: str, seed: int, teacher: str) -> Path:
    """A pair's copy of a teacher's checkpoint.

    Args:
        pair: Name of the pair in params.yaml.
        seed: Random seed of the student.
        teacher: Name of the teacher in params.yaml.
    """
    return pair_folder(pair, seed) / f"{teacher}.pt"


def all_cells(params: Params) -> Iterator[Cell]:
    """All trainings of params.yaml, in pipeline order."""
    yield from map(teacher_cell, params.teachers)
    for teacher in params.sweep.paired:
        yield from (paired_cell(teacher, seed) for seed in params.sweep.seeds)
    for student in params.students:
        yield from (baseline_cell(student, seed) for seed in params.sweep.seeds)
    yield from _distilled(params, params.sweep.dis)
    yield from confirming(params)


def _distilled(params: Params, values: Sequence[int | float]) -> Iterator[Cell]:
    for pair in params.pairs:
        for dis in values:
            yield from (distill_cell(pair, dis, seed) for seed in params.sweep.seeds)


def this_cell(params: Params, given: Sequence[str]) -> Cell:
    """The training for this process: the one with the given id, or else the one of the current DVC stage.

    DVC gives the stage in DVC_STAGE. Names on a command line of dvc.yaml would be interpreted by a shell.
    `kdpipe tune` gives the values of `dis` that it tries in the environment.

    Raises:
        ParamsError: if params.yaml has no such training.
    """
    tried = json.loads(os.environ.get(TRIALS, "[]"))
    cells = [*all_cells(params), *_distilled(params, tried)]
    if given:
        known, wanted = {cell.id: cell for cell in cells}, given[0]
    else:
        known, wanted = {cell.stage: cell for cell in cells}, this_stage()
        wanted = wanted.removeprefix("validate_").removeprefix("evaluate_")
    if wanted not in known:
        raise ParamsError("(file)", f"names no cell {wanted!r}; {did_you_mean(wanted, known)}")
    return known[wanted]


def this_item(axis: str, known: Iterable[str], given: Sequence[str]) -> str:
    """The student, pair or format for this process: the given one, or else that of the current DVC stage.

    Args:
        axis: Where params.yaml has it, such as `pairs` or `export.formats`.
        known: The names there.
        given: Arguments of the command line.

    Raises:
        ParamsError: if params.yaml has no such name.
    """
    name = given[0] if given else this_stage().partition("@")[2]
    if name not in (names := list(known)):
        kind = axis.rpartition(".")[2].removesuffix("s")
        raise ParamsError(axis, f"no {kind} {name!r}; {did_you_mean(name, names)}")
    return name


def this_stage() -> str:
    """Name of the DVC stage that runs this process, or an empty string without DVC."""
    return os.environ.get("DVC_STAGE", "").rsplit(":", 1)[-1]  # DVC_STAGE may begin with the path of dvc.yaml


def abandoned(params: Params, root: Path) -> list[Path]:
    """Folders under `root` of trainings and pairs that are no longer in params.yaml."""
    cells = list(all_cells(params))
    kept = {root / path for cell in cells for path in (cell.train_dir, cell.val_dir, cell.eval_dir)}
    kept |= {root / PAIRS_DIR / pair for pair in params.pairs}
    kept |= {root / STARTS_DIR / student for student in params.students}
    kept |= {root / of / name for of in (EXPORTED_DIR, RESULTS_DIR) for name in params.export.formats}
    found = [
        *root.glob(f"{TEACHERS_DIR}/*"),
        *root.glob(f"{PAIRS_DIR}/*"),
        *root.glob(f"{STARTS_DIR}/*"),
        *root.glob(f"{EXPORTED_DIR}/*"),
        *root.glob(f"{RESULTS_DIR}/*"),
        *root.glob(f"{RUNS_DIR}/teacher/*/*"),
        *root.glob(f"{RUNS_DIR}/{PAIRED}/*/*/*"),
        *root.glob(f"{RUNS_DIR}/baseline/*/*/*"),
        *root.glob(f"{RUNS_DIR}/distill/*/*/*/*"),
    ]
    return sorted(path for path in found if path.is_dir() and path not in kept)
