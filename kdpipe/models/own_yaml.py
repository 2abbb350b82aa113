"""Model yamls written by the user: checks before Ultralytics builds a model from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from kdpipe.models import names as model_names
from kdpipe.models.layers import HEADS, head_of, layer_problems, scale_problems
from kdpipe.models.tasks import TASKS
from kdpipe.params.yaml_text import compose
from kdpipe.paths import digest_of, resolve

MOST_BYTES = 100_000  # of a model yaml; those of Ultralytics have 3000
MOST_VALUES = 20_000  # of a model yaml, aliases written out; those of Ultralytics have 500


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
    content = _content(path, file)
    problems = [*layer_problems(content), *scale_problems(content, found.size)]
    if problems:
        raise ValueError(f"{path!r}: {'; '.join(problems)}")
    levels, kind = head_of(content)
    end_to_end = bool(content.get("end2end"))
    task = next(task for task, known in HEADS.items() if known == kind)
    if task != found.task:
        raise ValueError(
            f"{path!r} ends with {kind}, which solves {task}; name it {found.family}{found.size}"
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


def _content(path: str, file: Path) -> dict[str, Any]:
    """Read a model yaml as Ultralytics does (`ultralytics.utils.YAML.load`)."""
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path!r} is no model yaml of Ultralytics: it is larger than {MOST_BYTES} bytes")
    try:
        compose(file, MOST_VALUES)
        content = yaml.safe_load(file.read_text(encoding="utf-8", errors="ignore"))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path!r} is no model yaml of Ultralytics: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path!r} is no model yaml of Ultralytics: it is no mapping")  # noqa: TRY004
    return content


def _file(path: str) -> Path | None:
    """The file that Ultralytics reads for a path: `yolo26n-mine.yaml`, or else `yolo26-mine.yaml`."""
    given = resolve(path)
    of_all_sizes = given.with_name(re.sub(r"^(yolov?\d+)[nsmlx]", r"\1", given.name))
    return next((file for file in (given, of_all_sizes) if file.is_file()), None)
