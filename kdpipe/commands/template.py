"""The files that a project needs, in a folder of the user, within git and DVC; new ones after an upgrade."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from kdpipe.cells import recipe
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.params.raw import missing_names, read
from kdpipe.params.schema import PARAMS_FILE
from kdpipe.paths import template_dir

PATTERNS = ("dvc.yaml", ".dvc/plots/*", "pipelines/*.py", "pipelines/*.yaml")
WRITTEN = Path("pipelines/template.json")  # digests of these files as they were written
PIPELINE = "dvc.yaml"
IGNORED = """\
# What kdpipe and DVC keep themselves.
/.kdpipe/
/data/dataset/
/data/downloads/
/data/imported/
/models/
/runs/
/weights/
/exports/
/mlflow.db*
/mlartifacts/
/dvc_plots/
__pycache__/
"""
CONFIG = """\
[core]
    analytics = false
[plots]
    html_template = plots/page.html
"""


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did.

    Attributes:
        written: Files that are new or were replaced.
        kept: Files that the user has edited; the new one is beside each, with the suffix .new.
        stale: Stages that run again, by number of the recipe, such as "TRAINING 1 -> 2".
        missing: What params.yaml lacks and the new dvc.yaml needs, a sentence each.
    """

    written: list[str]
    kept: list[str]
    stale: Mapping[str, list[str]]
    missing: list[str]


def check_folder(folder: Path, params: str) -> None:
    """Refuse a folder that cannot become a project; it is made, if it does not exist.

    Raises:
        KdpipeError: if it cannot be made, or has other files of these names.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KdpipeError(f"{folder} cannot be made: {error.strerror}; choose another folder") from error
    files = {**_template(), PARAMS_FILE: params.encode()}
    if taken := [name for name in files if _differs(folder / name, files[name])]:
        raise KdpipeError(
            f"{folder} has files of its own with the names {', '.join(taken)}; choose another folder, or "
            "`kdpipe init --upgrade` if it is a project of kdpipe"
        )


def make_project(folder: Path, params: str) -> None:
    """Make a project in a folder, which may be within a repository; nothing that is there is overwritten.

    Args:
        folder: The folder; it is made if it does not exist.
        params: The content of params.yaml.

    Raises:
        KdpipeError: if the folder has other files of these names, or git or DVC fail.
    """
    check_folder(folder, params)
    top = _git_root(folder)
    if not (folder / ".dvc/config").exists():
        subdir = [] if top == folder.resolve() else ["--subdir"]
        _run((sys.executable, "-m", "dvc", "init", "--quiet", *subdir), folder)
    config = folder / ".dvc/config"
    if not config.read_text(encoding="utf-8").strip():
        config.write_text(CONFIG, encoding="utf-8")
    _write(folder, {**_template(), PARAMS_FILE: params.encode()})
    _add_lines(folder / ".gitignore", IGNORED)
    _add_lines(folder / ".dvcignore", (template_dir() / ".dvcignore").read_text(encoding="utf-8"))
    _remember(folder)


def upgrade(folder: Path) -> Upgrade:
    """Bring the files of a project up to those of the installed kdpipe; params.yaml stays as it is.

    Raises:
        KdpipeError: if the folder is no project, or kdpipe's own repository.
    """
    if folder.resolve() == template_dir():
        raise KdpipeError(f"{folder} is kdpipe's own repository; `git pull` upgrades it")
    if not (folder / PIPELINE).exists() or not (folder / WRITTEN).exists():
        raise KdpipeError(f"{folder} is no project of kdpipe; `kdpipe init` makes one")
    known, template = _remembered(folder), _template()
    stale = _stale(_numbers(folder))
    news = {name: content for name, content in template.items() if _is_new(folder, name, content, known)}
    own = {name for name in news if _differs(folder / name, news[name]) and _is_edited(folder, name, known)}
    written = {name: content for name, content in news.items() if name not in own}
    _write(folder, {**written, **{f"{name}{recipe.NEW}": news[name] for name in own}})
    _remember(folder)
    return Upgrade(sorted(written), sorted(own), stale, _missing(folder / PARAMS_FILE))


def _missing(path: Path) -> list[str]:
    """What params.yaml lacks; nothing if it cannot be read, which `kdpipe check` says."""
    try:
        return [str(problem) for problem in missing_names(read(path, ()))]
    except ParamsError:
        return []


def _template() -> dict[str, bytes]:
    root = template_dir()
    paths = sorted(path for pattern in PATTERNS for path in root.glob(pattern) if path.is_file())
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.name != WRITTEN.name
    }


def _differs(path: Path, content: bytes) -> bool:
    return path.exists() and (not path.is_file() or path.read_bytes() != content)


def _git_root(folder: Path) -> Path:
    """The root of the repository around a folder, which becomes one if there is none."""
    command = ["git", "rev-parse", "--show-toplevel"]
    try:
        english = os.environ | {"LC_ALL": "C"}
        answer = subprocess.run(
            command, cwd=folder, env=english, capture_output=True, encoding="utf-8", check=False
        )
    except OSError as error:
        raise KdpipeError(f"git cannot be run ({error.strerror}); install it") from error
    if answer.returncode == 0:
        return Path(answer.stdout.strip()).resolve()
    if "not a git repository" not in answer.stderr:
        raise KdpipeError(f"{folder}: {answer.stderr.strip()}")
    _run(("git", "init", "--quiet"), folder)
    return folder.resolve()


def _run(command: Sequence[str], folder: Path) -> None:
    answer = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    if answer.returncode:
        raise KdpipeError(f"`{' '.join(command)}` failed in {folder}: {answer.stderr.strip()}")


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _add_lines(path: Path, lines: str) -> None:
    """Add lines to a file, but not those that it has."""
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    new = [line for line in lines.splitlines() if line not in found.splitlines()]
    if new:
        before = f"{found.rstrip()}\n\n" if found.strip() else ""
        path.write_text("\n".join([f"{before}{new[0]}", *new[1:], ""]), encoding="utf-8")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _is_new(folder: Path, name: str, content: bytes, known: Mapping[str, str]) -> bool:
    """Whether a file of the template has changed since it was written, or is no more what it must be."""
    must_be = Path(name) == recipe.RECIPE_FILE and _differs(folder / name, content)
    return must_be or not (folder / name).exists() or known.get(name) != _digest(content)


def _numbers(folder: Path) -> dict[str, int]:
    """The numbers of a project; none if they are gone or damaged."""
    with suppress(KdpipeError, OSError):
        return recipe.read(folder / recipe.RECIPE_FILE)
    return {}


def _is_edited(folder: Path, name: str, known: Mapping[str, str]) -> bool:
    """Whether the user has edited a file; the recipe is always that of the installed kdpipe."""
    return Path(name) != recipe.RECIPE_FILE and known.get(name) != _digest((folder / name).read_bytes())


def _remember(folder: Path) -> None:
    digests = {name: _digest(content) for name, content in _template().items()}
    (folder / WRITTEN).write_text(f"{json.dumps(digests, indent=2)}\n", encoding="utf-8")


def _remembered(folder: Path) -> dict[str, str]:
    try:
        digests: dict[str, str] = json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return digests


def _stale(before: Mapping[str, int]) -> dict[str, list[str]]:
    """Stages that depend on a number that is another one by now."""
    content = yaml.safe_load((template_dir() / PIPELINE).read_text(encoding="utf-8"))
    found = {}
    for part, number in recipe.installed().items():
        if before.get(part) != number:
            stages = [name for name, stage in content["stages"].items() if part in _parts(stage)]
            found[f"{part} {before.get(part, 'none')} -> {number}"] = stages
    return found


def _parts(stage: Mapping[str, object]) -> list[str]:
    entries = stage.get("params")
    named = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [part for entry in named for part in entry.get(str(recipe.RECIPE_FILE), [])]
