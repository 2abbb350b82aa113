"""A copy of dvc.lock: DVC writes it in place, and one that is killed meanwhile leaves half of it."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from kdpipe.console import console
from kdpipe.paths import project_root, state_dir

LOCK_FILE = "dvc.lock"
RWLOCK_FILE = Path(".dvc/tmp/rwlock")
STILL = 1.0  # seconds without a change after which a file is not being written


def save_copy() -> None:
    """Copy dvc.lock if it has changed, and is that of the repository, not of an experiment's folder.

    DVC has read it before it starts a stage; only `kdpipe repro` may be writing it meanwhile.
    """
    path, copy = Path(LOCK_FILE), state_dir() / LOCK_FILE
    if not path.exists() or project_root() != Path.cwd():
        return
    written = path.stat().st_mtime
    if time.time() - written < STILL or (copy.exists() and copy.stat().st_mtime >= written):
        return
    copy.parent.mkdir(exist_ok=True)
    part = copy.with_suffix(f".{os.getpid()}.part")
    shutil.copyfile(path, part)
    part.replace(copy)


def _is_cut_short(content: bytes, copy: Path) -> bool:
    """Whether dvc.lock is not the copy; the conflict of a merge in it is the user's to solve."""
    conflict = any(line.startswith(b"<<<<<<<") for line in content.split(b"\n"))
    return content != copy.read_bytes() and not conflict


def mend(message: str) -> bool:
    """Mend the file that DVC complains about, if a killed process left it half written.

    The run cache has what the copy of dvc.lock does not know yet.

    Args:
        message: What DVC said.

    Returns:
        Whether there was something to mend.
    """
    copy = state_dir() / LOCK_FILE
    if "RWLock" in message and RWLOCK_FILE.exists():
        RWLOCK_FILE.unlink()  # it lists processes that use files; a process that has ended uses none
        mended = RWLOCK_FILE
    elif LOCK_FILE in message and copy.exists() and _is_cut_short(Path(LOCK_FILE).read_bytes(), copy):
        shutil.copyfile(copy, LOCK_FILE)
        mended = Path(LOCK_FILE)
    else:
        return False
    console.print(f"[yellow]mended:[/] {mended}, which a process that was killed left half written")
    return True


def mend_rwlock(file: Path) -> None:
    """Remove a file that a killed DVC process left half written; the caller holds the repository's lock."""
    with suppress(FileNotFoundError):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            file.unlink()
