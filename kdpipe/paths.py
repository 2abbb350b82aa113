"""The project's root, which relative paths of params.yaml start from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def project_root() -> Path:
    """The repository of the user, also from within a temporary workspace of `dvc exp run`.

    DVC runs queued experiments in `.dvc/tmp/exps/...`, which it deletes, and names the repository
    in DVC_ROOT. Without DVC it is the nearest folder with a dvc.yaml, or else the working directory.
    """
    if "DVC_ROOT" in os.environ:
        return Path(os.environ["DVC_ROOT"]).resolve()
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists()), here)


def resolve(path: str | Path) -> Path:
    """A path of params.yaml as an absolute one."""
    return (project_root() / Path(path).expanduser()).resolve()


def state_dir() -> Path:
    """Where unfinished work and settings lie: outside DVC's outputs, kept between runs."""
    return project_root() / ".kdpipe"


def weights_dir() -> Path:
    """Where released checkpoints lie, downloaded or put there by hand."""
    return project_root() / "weights"


def digest_of(path: Path) -> str:
    """32 hex digits over a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def downloads_dir() -> Path:
    """Where downloaded data sets lie."""
    return project_root() / "data" / "downloads"
