"""Versions of the code that makes results, as pipelines/recipe.yaml has them.

A change of what comes out of a part raises its number there, with a line that says what changed; the next
`dvc repro` then runs the stages of that part again. `tests/cells/test_recipe.py` fails when the code
behind a number changes and the number does not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from kdpipe.errors import KdpipeError
from kdpipe.paths import template_dir

RECIPE_FILE = Path("pipelines/recipe.yaml")
NEW = ".new"  # suffix of a file of an upgrade that cannot take the place of an edited one


@cache
def installed() -> dict[str, int]:
    """Return the numbers of the installed kdpipe, by part, such as TRAINING."""
    return read(template_dir() / RECIPE_FILE)


def read(path: Path) -> dict[str, int]:
    """Return the numbers in a file.

    Raises:
        KdpipeError: if they are none.
    """
    try:
        numbers = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(part): int(number) for part, number in numbers.items()}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError):
        raise KdpipeError(f"{path} has no numbers; `kdpipe init --upgrade` writes them again") from None


def check_recipe() -> None:
    """Refuse a project whose stages are not those of the code that would run.

    Raises:
        KdpipeError: if its numbers are others, or an upgrade is not finished; names them.
    """
    if waiting := sorted([*Path().glob(f"*.yaml{NEW}"), *Path("pipelines").glob(f"*{NEW}")]):
        old = waiting[0].with_suffix("")
        raise KdpipeError(
            f"{waiting[0]} came with an upgrade, and {old} is still the old one with your edits; take over "
            f"what has changed, then remove {waiting[0]}"
        )
    if not RECIPE_FILE.exists() or (found := read(RECIPE_FILE)) == installed():
        return
    parts = sorted(found.items() ^ installed().items())
    named = ", ".join(dict.fromkeys(part for part, _ in parts))
    raise KdpipeError(
        f"{RECIPE_FILE} is of another version of kdpipe than the one that is installed ({named}); run "
        "`kdpipe init --upgrade`, which says what becomes stale"
    )
