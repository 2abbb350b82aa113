"""Read the checkpoints in params.yaml, each only once, and cache their properties."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from kdpipe.checks.passed import passed_file, remember
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.models.names import ModelName
from kdpipe.models.start_weights import Source
from kdpipe.models.weights import Weights
from kdpipe.params.schema import RELEASED


def inspected(source: Source, path: Path) -> Weights:
    """Properties of a checkpoint, after the trust check; cached until the file changes.

    Raises:
        ParamsError: if it is not a checkpoint of the expected model, or may run code.
    """
    stat = path.stat()
    asked = (str(path), stat.st_size, stat.st_mtime_ns, source.sha256, source.init, source.imgsz)
    kept = passed_file("checkpoint", *asked).with_suffix(".json")
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        weights = Weights(**{**found, "model": ModelName(**found["model"])})
    except (OSError, ValueError, TypeError, KeyError):  # not cached yet, being written, or of another kdpipe
        weights = _inspect(source, path)
        remember(kept, json.dumps(asdict(weights)))
    if weights.model.stem != source.architecture.stem:
        message = (
            f"{path} holds {weights.model.stem}, not {source.architecture}; write model: {weights.model.stem}"
        )
        raise ParamsError(source.key, message)
    return weights


def _inspect(source: Source, path: Path) -> Weights:
    from kdpipe.models.published import SHA256
    from kdpipe.yolo.inspect import inspected_as
    from kdpipe.yolo.trust import check_trust

    try:
        if source.sha256 or not source.architecture.backbone:  # of which a file holds nothing but numbers
            check_trust(path, source.sha256, SHA256.get(path.name) if source.init == RELEASED else None)
        return inspected_as(source.architecture, path, source.imgsz)
    except KdpipeError as error:
        raise ParamsError(source.key, str(error)) from error
