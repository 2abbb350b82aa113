"""Write a ready-made params.yaml without losing edits."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rich.table import Table

from kdpipe.errors import KdpipeError, did_you_mean
from kdpipe.params.schema import PARAMS_FILE
from kdpipe.paths import template_dir

FOLDER = "pipelines/presets"


def presets() -> dict[str, Path]:
    """Return the files of all presets by name."""
    return {path.stem: path for path in sorted((template_dir() / FOLDER).glob("*.yaml"))}


def about(preset: Path) -> str:
    """Return the first sentence of a preset's leading comment."""
    comment = preset.read_text(encoding="utf-8").split("\n\n")[0].replace("\n", " ").replace("# ", "")
    return comment.split(". ")[0].rstrip(".")


def listed() -> Table:
    """Return a table of all presets."""
    table = Table("preset", "what it is")
    for name, path in presets().items():
        table.add_row(name, about(path))
    return table


def text_of(name: str) -> str:
    """Return the content of a preset.

    Raises:
        KdpipeError: if there is none of this name.
    """
    known = presets()
    if name not in known:
        raise KdpipeError(f"no preset {name!r}; {did_you_mean(name, known)}")
    return known[name].read_text(encoding="utf-8")


def use(name: str) -> None:
    """Copy a preset to params.yaml in the working directory.

    Raises:
        KdpipeError: if there is no such preset, or params.yaml has edits that exist nowhere else.
    """
    text, params = text_of(name), Path(PARAMS_FILE)
    if params.exists() and not _is_kept(params, presets()):
        raise KdpipeError(
            f"{params} has edits that are not committed; keep them with `git commit {params}`, or drop them "
            f"with `git checkout {params}`; without git, move the file away"
        )
    params.write_text(text, encoding="utf-8")


def _is_kept(params: Path, known: dict[str, Path]) -> bool:
    """Whether params.yaml equals a preset or its version in the current commit."""
    if params.read_bytes() in (preset.read_bytes() for preset in known.values()):
        return True
    command = ["git", "show", f"HEAD:./{params}"]
    try:
        committed = subprocess.run(command, capture_output=True, check=False)
    except OSError:  # git is not installed
        return False
    return committed.returncode == 0 and committed.stdout == params.read_bytes()
