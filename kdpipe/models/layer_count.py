"""Number of layers of a model, without building it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from kdpipe.models.names import YAML, ModelName
from kdpipe.models.own_yaml import yaml_of
from kdpipe.models.tasks import TASKS


def layer_count(model: ModelName) -> int | None:
    """Number of layers that `freeze` counts; None if the model yaml cannot be read."""
    spec = find_spec("ultralytics")
    if model.file:
        files = [Path(yaml_of(model))]
    elif spec is not None and spec.submodule_search_locations:
        shipped = Path(spec.submodule_search_locations[0]) / "cfg" / "models"
        # One yaml for all sizes.
        files = list(shipped.rglob(f"{model.family}{TASKS[model.task].suffix}{model.variant}{YAML}"))
    else:
        files = []
    for file in files:
        if file.is_file():
            content: Any = OmegaConf.to_container(OmegaConf.load(file))
            return len(content.get("backbone", ())) + len(content["head"])
    return None
