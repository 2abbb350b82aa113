"""Whether the report is still that of params.yaml, from files alone: in a moment, and while DVC runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from kdpipe.cells.cell import all_cells
from kdpipe.cells.lock_file import LOCK_FILE
from kdpipe.errors import KdpipeError
from kdpipe.params.load import load
from kdpipe.params.schema import PARAMS_FILE

STAGE = re.compile(r"^  (?P<name>\S+):\n(?P<block>(?:    .*\n)+)", re.MULTILINE)
PARAMS = re.compile(rf"^      {re.escape(PARAMS_FILE)}:\n(?P<block>(?:        .*\n)+)", re.MULTILINE)
MOST_NAMED = 5  # keys


def outdated() -> str | None:
    """Say in a sentence that the report may not be that of params.yaml; None if nothing says so.

    Compared are the parameters of each stage in dvc.lock: the trainings themselves may be elsewhere.
    """
    try:
        params = load()
    except KdpipeError as error:
        return str(error)
    if not Path(LOCK_FILE).exists():
        return None
    locked = {
        found["name"]: found["block"] for found in STAGE.finditer(Path(LOCK_FILE).read_text(encoding="utf-8"))
    }
    written = OmegaConf.load(PARAMS_FILE)
    cells = list(all_cells(params))
    missing = [cell for cell in cells if cell.stage not in locked]
    stages = [f"{after}{cell.stage}" for cell in cells for after in ("", "validate_", "evaluate_")]
    stages += [f"{stage}@{name}" for name in params.export.formats for stage in ("export", "validate_export")]
    used = {
        key: value for stage in ("prepare", *stages, "report") for key, value in _used(locked.get(stage, ""))
    }
    edited = [key for key, value in used.items() if _plain(OmegaConf.select(written, key)) != value]
    if missing:
        why = f"{len(missing)} of its {len(cells)} trainings are not done"
    elif edited:
        why = f"edited since: {', '.join(edited[:MOST_NAMED])}{', ...' if len(edited) > MOST_NAMED else ''}"
    else:
        return None
    return f"the report may be older than {PARAMS_FILE}: {why}; `dvc repro` brings it up to date"


def _used(stage: str) -> Iterator[tuple[str, Any]]:
    """Yield keys and values of params.yaml that a stage has used, from its lines in dvc.lock."""
    found = PARAMS.search(stage)
    yield from _values(found["block"]).items() if found else ()


@cache  # trainings that differ in their seed have the same lines
def _values(block: str) -> Mapping[str, Any]:
    content = OmegaConf.to_container(OmegaConf.create(block))
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
