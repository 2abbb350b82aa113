"""Group runs by the state of the pipeline: each commit with its params.yaml has one parent run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from mlflow.entities import Param, RunTag
from omegaconf import OmegaConf

STATE = "state"
STAGE = "pipeline"
MOST = 8  # entries that are listed
SHOWN = (
    "data.source",
    "data.task",
    "students",
    "teachers",
    "sweep.paired",
    "pairs",
    "sweep.dis",
    "sweep.seeds",
)


@dataclass(frozen=True)
class State:
    """A commit and its params.yaml; uncommitted edits of other files do not make another state."""

    commit: str
    params: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """16 hex digits, the same on every machine for the same commit and parameters."""
        canonical = json.dumps([self.commit, self.params], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The name of the parent run."""
        shown = dict(self.shown())
        told = [f"{key.removeprefix('sweep.')} {shown[key]}" for key in SHOWN[-3:] if key in shown]
        return " · ".join([self.commit[:8], *told])

    def tags(self) -> list[RunTag]:
        """Return the tags by which the parent run is found."""
        return [RunTag(STATE, self.key), RunTag("stage", STAGE), RunTag("git_commit", self.commit)]

    def entries(self) -> list[Param]:
        """Return what is compared, as params of the parent run."""
        train = [(f"train.{name}", value) for name, value in self.params.get("train", {}).items()]
        return [Param(key, str(value)) for key, value in [*self.shown(), *train]]

    def shown(self) -> list[tuple[str, str]]:
        """Return the main parameters as text; of mappings, only the names of their entries."""
        params = OmegaConf.create(dict(self.params))
        values = ((key, OmegaConf.select(params, key)) for key in SHOWN)
        return [(key, _short(value)) for key, value in values if value is not None and value != []]


def state_of(params: Path, git_commit: str) -> State:
    """Return the state of a training from its copy of params.yaml and its commit."""
    return _state(params.read_text(encoding="utf-8"), git_commit.removesuffix("-dirty"))


@cache  # trainings of the same time share it
def _state(params: str, commit: str) -> State:
    content = OmegaConf.to_container(OmegaConf.create(params))
    assert isinstance(content, dict)
    return State(commit, {str(key): value for key, value in content.items()})


def _short(value: Any) -> str:
    """Return a value as text; of a mapping or list, the first entries only."""
    if not OmegaConf.is_config(value):
        return str(value)
    names = [str(name) for name in value]
    return ", ".join(names[:MOST]) + (f", ... ({len(names)})" if len(names) > MOST else "")
