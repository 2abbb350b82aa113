"""States of the pipeline: a commit and its parameters, under which the runs trained then are grouped."""

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
MOST = 8  # entries that are named
SHOWN = ("data.source", "data.task", "students", "teachers", "pairs", "sweep.dis", "sweep.seeds")


@dataclass(frozen=True)
class State:
    """What params.yaml said at a commit; edits of other files that are not committed make no other state."""

    commit: str
    params: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """16 hex digits that are the same for the same commit and parameters, on every machine."""
        canonical = json.dumps([self.commit, self.params], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What it is called in lists."""
        shown = dict(self.shown())
        told = [f"{key.removeprefix('sweep.')} {shown[key]}" for key in SHOWN[-3:] if key in shown]
        return " · ".join([self.commit[:8], *told])

    def tags(self) -> list[RunTag]:
        """By what its run is found."""
        return [RunTag(STATE, self.key), RunTag("stage", STAGE), RunTag("git_commit", self.commit)]

    def entries(self) -> list[Param]:
        """What was to be compared."""
        train = [(f"train.{name}", value) for name, value in self.params.get("train", {}).items()]
        return [Param(key, str(value)) for key, value in [*self.shown(), *train]]

    def shown(self) -> list[tuple[str, str]]:
        """The chosen parameters; of what has entries, their names."""
        params = OmegaConf.create(dict(self.params))
        values = ((key, OmegaConf.select(params, key)) for key in SHOWN)
        return [(key, _short(value)) for key, value in values if value is not None]


def state_of(params: Path, git_commit: str) -> State:
    """The state in which something was trained, from the params.yaml and the commit of that time."""
    return _state(params.read_text(), git_commit.removesuffix("-dirty"))


@cache  # cells that were trained together have the same
def _state(params: str, commit: str) -> State:
    content = OmegaConf.to_container(OmegaConf.create(params))
    assert isinstance(content, dict)
    return State(commit, {str(key): value for key, value in content.items()})


def _short(value: Any) -> str:
    """The entries of a mapping by their names; of many, the first."""
    if not OmegaConf.is_config(value):
        return str(value)
    names = [str(name) for name in value]
    return ", ".join(names[:MOST]) + (f", ... ({len(names)})" if len(names) > MOST else "")
