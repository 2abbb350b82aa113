"""The project's root, which relative paths of params.yaml start from."""

from __future__ import annotations

import os
from pathlib import Path


def project_root() -> Path:
    """The repository of the user, also from within a temporary workspace of `dvc exp run`.

    DVC runs queued experiments in `.dvc/tmp/exps/...`, which it deletes, and names the repository
    in DVC_ROOT.
    """
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def resolve(path: str | Path) -> Path:
    """A path of params.yaml as an absolute one."""
    return (project_root() / Path(path).expanduser()).resolve()


def state_dir() -> Path:
    """Where unfinished work and settings lie: outside DVC's outputs, kept between runs."""
    return project_root() / ".kdpipe"
