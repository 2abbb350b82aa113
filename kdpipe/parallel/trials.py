"""Write params.yaml for `kdpipe tune` and `confirm`, and run values of `dis` that it does not name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dvc.parsing
from dvc.utils.serialize import modify_yaml

from kdpipe.cells.cell import TRIALS
from kdpipe.params.schema import PARAMS_FILE
from kdpipe.paths import state_dir

TRIALS_FILE = "trials.yaml"
DEFAULT = "DEFAULT_PARAMS_FILE"  # of dvc.parsing: the file that the matrices of dvc.yaml are read from


@contextmanager
def trial_stages(values: Sequence[float]) -> Iterator[None]:
    """Let the pipeline have stages for further values of `dis`, as long as the context lasts.

    They are written into a copy of params.yaml, from which DVC takes the names of its stages, and into the
    environment of the stages. Whenever this process is killed, params.yaml is as the user wrote it; what
    was trained is in DVC's cache, and the next `kdpipe tune` finds it there.
    """
    state_dir().mkdir(exist_ok=True)
    copy = state_dir() / TRIALS_FILE
    add_dis(values, copy)
    before = getattr(dvc.parsing, DEFAULT)
    os.environ[TRIALS] = json.dumps(list(values))
    setattr(dvc.parsing, DEFAULT, os.path.relpath(copy))
    try:
        yield
    finally:
        setattr(dvc.parsing, DEFAULT, before)
        del os.environ[TRIALS]
        copy.unlink(missing_ok=True)


def add_dis(
    values: Sequence[float], target: Path = Path(PARAMS_FILE), tried: Mapping[str, int] | None = None
) -> None:
    """Write params.yaml with further values of `dis`, in one step, with its comments.

    Args:
        values: Those that it may not have yet.
        target: Where to write it; by default it replaces the file itself.
        tried: How many settings were tried to find the best one of a pair.
    """
    with rewriting(target) as content:
        written = content["sweep"]["dis"]
        written.extend(value for value in values if value not in written)
        if tried:
            content["sweep"].setdefault("tried", {}).update(tried)


@contextmanager
def rewriting(target: Path = Path(PARAMS_FILE)) -> Iterator[dict[str, Any]]:
    """Yield the content of params.yaml, and write it as changed, in one step, with its comments."""
    target = target.resolve()  # replaces the file behind a link
    part = target.with_name(f"{target.name}.part")
    shutil.copy(PARAMS_FILE, part)
    with modify_yaml(part) as content:
        yield content
    part.replace(target)
