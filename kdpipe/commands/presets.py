"""Ready-made params.yaml files, and putting one in place without losing edits."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kdpipe.errors import KdpipeError, did_you_mean
from kdpipe.params.schema import PARAMS_FILE

FOLDER = Path(__file__).parents[2] / "pipelines" / "presets"


def presets() -> dict[str, Path]:
    """The files by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def about(preset: Path) -> str:
    """Its first sentence."""
    comment = preset.read_text().split("\n\n")[0].replace("\n", " ").replace("# ", "")
    return comment.split(". ")[0].rstrip(".")


def use(name: str) -> None:
    """Make a preset the params.yaml of the working directory.

    Raises:
        KdpipeError: if there is no such preset, or params.yaml has edits that exist nowhere else.
    """
    known = presets()
    if name not in known:
        raise KdpipeError(f"{name!r} is no preset; {did_you_mean(name, known)}")
    params = Path(PARAMS_FILE)
    if params.exists() and not _is_kept(params, known):
        raise KdpipeError(
            f"{params} has edits that are not committed; keep them with `git commit {params}`, or drop them "
            f"with `git checkout {params}`"
        )
    params.write_bytes(known[name].read_bytes())


def _is_kept(params: Path, known: dict[str, Path]) -> bool:
    """Whether the content exists elsewhere: in a preset, or in the checked-out commit."""
    if params.read_bytes() in (preset.read_bytes() for preset in known.values()):
        return True
    command = ["git", "show", f"HEAD:./{params}"]
    committed = subprocess.run(command, capture_output=True, check=False)
    return committed.returncode == 0 and committed.stdout == params.read_bytes()
