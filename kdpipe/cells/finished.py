"""Finished trainings, kept in their work folders until DVC can give them back.

DVC deletes the outputs of a stage before it runs it, and does not know of a command that ended after DVC had
been killed, or of outputs that its cache could not take. The stage then takes the result from here.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import Timeout

from kdpipe.cells.cell import BEST_FILE, all_cells
from kdpipe.cells.committed import is_committed
from kdpipe.cells.record import IDENTITY_FILE, RECORD_FILE, Record, load_identity, load_record
from kdpipe.cells.work import FINISHED, is_wanted, lock
from kdpipe.console import console
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Params
from kdpipe.paths import digest_of, state_dir

PART = f"{FINISHED}.part"


def keep(work: Path, files: Iterable[Path], best: Path, record: Record) -> None:
    """Keep the outputs of a training that has just ended, whole or not at all, and drop its unfinished state.

    Args:
        work: Its work folder.
        files: History, log and other outputs; those that do not exist are left out.
        best: The trained checkpoint.
        record: Its record.
    """
    part = work / PART
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    shutil.copyfile(best, part / BEST_FILE)
    for path in filter(Path.exists, files):
        shutil.copyfile(path, part / path.name)
    record.save(part)
    for path in (*part.iterdir(), part):
        _to_disk(path)
    part.rename(work / FINISHED)
    _to_disk(work)
    for path in work.iterdir():
        if path.name not in (FINISHED, IDENTITY_FILE):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def kept(work: Path) -> Record | None:
    """Record of the finished training in a work folder; None if there is none that is to be used.

    A result that DVC already had when it started this process is not: DVC would not have asked, unless it was
    told to train again (`dvc repro --force`). It is removed, as is one that was damaged.
    """
    folder = work / FINISHED
    try:
        record = load_record(folder)
        whole = digest_of(folder / BEST_FILE) == record.weights_digest
    except (OSError, KdpipeError):
        whole = False
    if whole and (_ended_since_this_began(folder) or not is_committed(folder)):
        return record
    if folder.exists():
        if not whole:
            console.print(
                f"[yellow]warning:[/] the finished training in {folder} is damaged; it is done again"
            )
        _remove(work)
    return None


def hand_over(work: Path, out: Path) -> None:
    """Copy a finished training to its outputs; the record comes last: a folder with a record is complete."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in (work / FINISHED).iterdir())
    for name in sorted(names, key=lambda name: name == RECORD_FILE):
        shutil.copyfile(work / FINISHED / name, out / name)


def remove_committed() -> int:
    """Remove what is kept although DVC has it; return how many trainings that were.

    What a killed process has left of such a removal goes too.
    """
    removed = 0
    for folder in _removed_dir().glob("*"):
        shutil.rmtree(folder, ignore_errors=True)  # another process may be doing the same
    for folder in sorted((state_dir() / "work").glob(f"*/{FINISHED}")):
        work = folder.parent
        with suppress(FileNotFoundError, Timeout):  # another process removes it, or wants it
            if not is_wanted(work.name) and is_committed(folder):
                with lock(work.name).acquire(blocking=False):
                    _remove(work)
                    removed += 1
    return removed


def superseded(params: Params) -> list[Path]:
    """Work folders of finished trainings that DVC never took and that params.yaml no longer asks for."""
    cells = {cell.id: cell.train_dir for cell in all_cells(params)}
    found = []
    for folder in sorted((state_dir() / "work").glob(f"*/{FINISHED}")):
        begun = load_identity(folder.parent)
        if begun is None or is_wanted(folder.parent.name):
            continue
        out = cells.get(begun.cell)
        try:
            if out is None or load_record(out).fingerprint != begun.fingerprint:
                found.append(folder.parent)
        except (OSError, KdpipeError):
            continue  # not trained again yet
    return found


def _ended_since_this_began(folder: Path) -> bool:
    """Whether a training ended while this process waited for it, or while it was starting."""
    began: float = psutil.Process().create_time()
    return (folder / RECORD_FILE).stat().st_mtime > began


def _remove(work: Path) -> None:
    """Remove a work folder: for other processes in one step, so that no half of it is used or left there."""
    _removed_dir().mkdir(exist_ok=True)
    folder = _removed_dir() / f"{work.name}-{os.getpid()}-{time.time_ns()}"
    work.rename(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _removed_dir() -> Path:
    return state_dir() / "removed"


def _to_disk(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
