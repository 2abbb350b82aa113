"""Read the trainings of other git revisions from DVC's cache, without a checkout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from kdpipe.cells.cell import all_cells
from kdpipe.cells.exported import DONE_FILE, measured_as
from kdpipe.cells.record import METRICS_FILE
from kdpipe.environment import owner_problem
from kdpipe.errors import KdpipeError, raise_all
from kdpipe.params.load import read_params
from kdpipe.params.schema import PARAMS_FILE
from kdpipe.paths import project_root
from kdpipe.tracking.finished import KEPT, FinishedCell, finished_cells

NEEDED = (*KEPT, METRICS_FILE, DONE_FILE)  # no weights, no predictions


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
        params, problems = read_params(root / PARAMS_FILE)
        if params is None:  # else it was good in its time, and may lack a key that is needed by now
            raise_all(problems)
            return
        for cell in all_cells(params):
            exported = (measured_as(cell, name).val_dir.parent for name in params.export.formats)
            _copy(files, project, (cell.train_dir, cell.val_dir, cell.eval_dir, *exported), root)
            yield from finished_cells([cell], root)


def _copy(files: Any, project: PurePosixPath, folders: Iterable[Path], root: Path) -> None:
    for folder in folders:
        if not files.isdir(str(project / folder)):
            continue
        for path in files.find(str(project / folder)):
            target = root / PurePosixPath(path).relative_to(project)
            if target.name in NEEDED:
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(path, str(target))
