"""Model yamls written by the user: checks before Ultralytics builds a model from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from kdpipe.models import names as model_names
from kdpipe.models.tasks import TASKS
from kdpipe.paths import digest_of, resolve

HEADS = {"detect": "Detect", "segment": "Segment", "pose": "Pose", "obb": "OBB"}


ACTIVATION = re.compile(r"(torch\.)?nn\.\w+\([\w=., -]*\)")


def yaml_of(model: model_names.ModelName) -> str:
    """Path or name of the model yaml that Ultralytics builds the model from."""
    return str(resolve(model.file)) if model.file else f"{model}{model_names.YAML}"


def own_digest(model: model_names.ModelName) -> str | None:
    """Digest of the user's model yaml; None for a model of Ultralytics."""
    path = _file(model.file) if model.file else None
    return digest_of(path) if path else None


def check_own(found: model_names.ModelName, path: str) -> None:
    """Check that a model yaml matches the model in its file name.

    Raises:
        ValueError: if the file is missing, is not a model yaml, or defines another model.
    """
    file = _file(path)
    if file is None:
        raise ValueError(f"{path!r} is not there; looked for {resolve(path)}")
    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(file))
        levels, _, head, *_ = content["head"][-1]
        end_to_end, kind = bool(content.get("end2end")), re.sub(r"\d+$", "", str(head))
    except Exception as error:
        raise ValueError(f"{path!r} is no model yaml of Ultralytics: {error}") from error
    if not ACTIVATION.fullmatch(str(content.get("activation", "nn.SiLU()"))):
        raise ValueError(f"{path!r}: activation is run as code; write a layer, such as nn.SiLU()")
    if kind not in HEADS.values():
        raise ValueError(f"{path!r} ends with {head}, which is not distilled; it must be {HEADS[found.task]}")
    task = next(task for task, known in HEADS.items() if known == kind)
    if task != found.task:
        raise ValueError(
            f"{path!r} ends with {head}, which solves {task}; name it {found.family}{found.size}"
            f"{TASKS[task].suffix}-...{model_names.YAML}"
        )
    if end_to_end != ("e2e" in found.heads):
        raise ValueError(
            f"{path!r}: end2end is {end_to_end}; write end2end: {not end_to_end}, as {found.family} has"
        )
    first, last = model_names.LEVELS[found.variant]
    if len(levels) != last - first + 1:
        raise ValueError(
            f"{path!r}: the head takes {len(levels)} levels, {found.levels} are "
            f"{last - first + 1}; name it ...-p2{model_names.YAML} or ...-p6{model_names.YAML} if it is that"
        )


def _file(path: str) -> Path | None:
    """The file that Ultralytics reads for a path: `yolo26n-mine.yaml`, or else `yolo26-mine.yaml`."""
    given = resolve(path)
    of_all_sizes = given.with_name(re.sub(r"^(yolov?\d+)[nsmlx]", r"\1", given.name))
    return next((file for file in (given, of_all_sizes) if file.is_file()), None)
