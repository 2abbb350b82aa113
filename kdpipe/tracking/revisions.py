"""Read the trainings of other git revisions from DVC's cache, without a checkout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from kdpipe.cells.cell import Cell, all_cells
from kdpipe.cells.record import METRICS_FILE
from kdpipe.environment import owner_problem
from kdpipe.errors import KdpipeError
from kdpipe.params.load import load
from kdpipe.params.schema import PARAMS_FILE
from kdpipe.paths import project_root
from kdpipe.tracking.finished import KEPT, FinishedCell, finished_cells

NEEDED = (*KEPT, METRICS_FILE)  # no weights, no predictions


def experiments() -> list[str]:
    """Return the commits of all DVC experiments of this repository that have run, also from the queue.

    Raises:
        KdpipeError: if the project is in no git repository.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(project_root())) as repo:
            found: dict[Any, list[tuple[str, str | None]]] = repo.experiments.ls(all_commits=True)
    except DvcException as error:
        raise KdpipeError(f"DVC cannot list its experiments: {error}") from error
    return [commit for named in found.values() for _, commit in named if commit]


def finished_at(revision: str) -> Iterator[FinishedCell]:
    """Yield the finished trainings of a revision, as far as DVC's cache or its remote has them.

    Their files are temporary: use each one before the next is requested.

    Raises:
        KdpipeError: if there is no such revision, or its params.yaml cannot be read.
    """
    from dvc.repo import Repo

    with TemporaryDirectory() as temporary, ExitStack() as opened:
        root = Path(temporary)
        try:
            repo = opened.enter_context(Repo(str(project_root())))
            project = PurePosixPath("/", project_root().relative_to(repo.root_dir))
            opened.enter_context(repo.switch(revision))
            files = repo.dvcfs.fs  # the root of its paths is that of the DVC repository
            files.get_file(str(project / PARAMS_FILE), str(root / PARAMS_FILE))
        except Exception as error:
            problem = owner_problem() or f"no revision with a {PARAMS_FILE} ({error})"
            raise KdpipeError(f"{revision}: {problem}") from error
        for cell in all_cells(load(root / PARAMS_FILE)):
            _copy(files, project, cell, root)
            yield from finished_cells([cell], root)


def _copy(files: Any, project: PurePosixPath, cell: Cell, root: Path) -> None:
    for folder in (cell.train_dir, cell.val_dir, cell.eval_dir):
        if not files.isdir(str(project / folder)):
            continue
        for path in files.find(str(project / folder)):
            target = root / folder / Path(path).name
            if target.name in NEEDED:
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(path, str(target))
