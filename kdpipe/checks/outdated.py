"""Whether the report is still that of params.yaml, from files alone: in a moment, and while DVC runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from kdpipe.cells.lock_file import LOCK_FILE
from kdpipe.checks.progress import DONE, progress
from kdpipe.errors import KdpipeError
from kdpipe.params.load import load
from kdpipe.params.schema import PARAMS_FILE


def outdated() -> str | None:
    """Say in a sentence that the report may not be that of params.yaml; None if nothing says so."""
    try:
        done = progress(load())
    except KdpipeError as error:
        return f"{PARAMS_FILE} has a mistake: {error}"
    if done.count(DONE) < len(done.trainings):
        missing = len(done.trainings) - done.count(DONE)
        why = f"{missing} of its {len(done.trainings)} trainings are not done here"
    elif edited := [key for key, value in _reported().items() if _written(key) != value]:
        why = f"edited since: {', '.join(edited)}"
    else:
        return None
    return f"the report may be older than {PARAMS_FILE}: {why}; `dvc repro` brings it up to date"


def _reported() -> dict[str, Any]:
    """The parameters of the last report, by key, from dvc.lock; none if there is no such file."""
    if not Path(LOCK_FILE).exists():
        return {}
    stages = OmegaConf.to_container(OmegaConf.load(LOCK_FILE))
    assert isinstance(stages, dict)
    return dict(stages.get("stages", {}).get("report", {}).get("params", {}).get(PARAMS_FILE, {}))


def _written(key: str) -> Any:
    value = OmegaConf.select(OmegaConf.load(PARAMS_FILE), key)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
