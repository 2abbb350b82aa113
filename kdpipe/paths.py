"""Folders of the project; relative paths in params.yaml start from its root."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import yaml

IMPORTED = Path("data/imported")  # data sets that were imported


def project_root() -> Path:
    """The root of the user's repository, also inside a temporary workspace of `dvc exp run`.

    It is the nearest parent folder with a dvc.yaml, or else the working directory. DVC runs queued
    experiments in a copy of the repository in `.dvc/tmp/exps/...`, which it deletes afterwards, and gives
    the repository in DVC_ROOT: then the root is in the same place there as it is in the copy.
    """
    here = Path.cwd().resolve()
    project = next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists()), None)
    if "DVC_ROOT" not in os.environ:
        return project or here
    repository = Path(os.environ["DVC_ROOT"]).resolve()
    if project is None:
        return repository
    copied = next((folder for folder in (project, *project.parents) if (folder / ".dvc").is_dir()), project)
    return repository / project.relative_to(copied)


def template_dir() -> Path:
    """The folder with the files of a new project: within the installed package, or this repository."""
    packaged = Path(__file__).parent / "template"
    return packaged if packaged.is_dir() else Path(__file__).parents[1]


def resolve(path: str | Path) -> Path:
    """Turn a path from params.yaml into an absolute path."""
    return (project_root() / expanded(path)).resolve()


def expanded(path: str | Path) -> Path:
    """A path with `~` written out; that of a user whom nobody knows stays as it is, and does not exist."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def pull_hint(path: Path) -> str:
    """The rest of a sentence about a path that does not exist: what brings it, if DVC tracks it."""
    outputs = _outputs()
    absent = (place for place in (path, *path.parents) if not place.exists())
    tracked = next((place for place in absent if place in outputs or Path(f"{place}.dvc").is_file()), None)
    if tracked is None:
        return ""
    root = project_root()
    shown = tracked.relative_to(root) if tracked.is_relative_to(root) else tracked
    return f"; DVC tracks {shown}, so `dvc pull` may bring it"


def _outputs() -> set[Path]:
    """What dvc.lock says that stages have written."""
    root = project_root()
    try:
        stages = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        return {root / out["path"] for stage in stages.values() for out in stage.get("outs", ())}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return set()  # that is no matter of the path


def state_dir() -> Path:
    """Folder for unfinished trainings and settings, outside DVC's outputs and kept between runs."""
    return project_root() / ".kdpipe"


def weights_dir() -> Path:
    """Folder for released checkpoints, downloaded or copied there by hand."""
    return project_root() / "weights"


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content, shortened to 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def digest_of_all(paths: Sequence[Path]) -> str:
    """As `digest_of`, of several files in this order; of one file it is the same."""
    digests = [digest_of(path) for path in paths]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()[:32]


def downloads_dir() -> Path:
    """Folder for downloaded data sets."""
    return project_root() / "data" / "downloads"


def last_change(path: Path) -> float:
    """When a file, or anything in a folder, was changed last, in seconds since 1970; 0 if there is none."""
    inner = path.rglob("*") if path.is_dir() else ()
    return max((one.lstat().st_mtime for one in (path, *inner) if one.exists()), default=0.0)
