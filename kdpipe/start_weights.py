"""The checkpoints that params.yaml names: where they are, and what they say of themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from kdpipe.cells import Cell
from kdpipe.config import RELEASED, SCRATCH, Model, Params
from kdpipe.environment import ultralytics_version
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.models import architecture, train_arguments
from kdpipe.paths import resolve, state_dir, weights_dir
from kdpipe.zoo import DEFAULT_IMGSZ, ModelName


@dataclass(frozen=True)
class Weights:
    """What a checkpoint says of itself.

    `channels` are those of its images; `fused` says that its normalisation is gone, `unfinished` that it
    holds a training that has not ended. `data` and `imgsz` are those of its training, None where
    unknown; `gflops` are of one image of the size that was asked for.
    """

    model: ModelName
    names: list[str]
    channels: int
    parameters: int
    gflops: float
    fused: bool
    unfinished: bool
    data: str | None
    imgsz: int | None


@dataclass(frozen=True)
class Source:
    """Where start weights come from: `scratch`, `released` or a path, under which key of params.yaml
    that stands, and what they must be of. `arguments` are those of the training that starts from them.
    """

    key: str
    name: str
    model: Model
    init: str
    sha256: str | None
    arguments: dict[str, object]

    @property
    def architecture(self) -> ModelName:
        """The Ultralytics model."""
        return architecture(self.name, self.model)

    @property
    def as_it_is(self) -> bool:
        """Whether it is used without training."""
        return self.arguments.get("epochs") == 0

    @property
    def imgsz(self) -> int:
        """The size of images that it is trained or used with."""
        return int(str(self.arguments.get("imgsz", DEFAULT_IMGSZ)))

    @property
    def file_name(self) -> str:
        """The name under which Ultralytics releases them."""
        return f"{self.architecture}{'-distill' if self.key.endswith('.distilled') else ''}.pt"

    @property
    def path(self) -> Path | None:
        """Where the file is, or is to be downloaded to; None if there is none."""
        if self.init == SCRATCH:
            return None
        return weights_dir() / self.file_name if self.init == RELEASED else resolve(self.init)


def source_of(params: Params, cell: Cell) -> Source:
    """Where a cell's start weights come from."""
    if cell.kind == "teacher":
        return _of_model(params, "teachers", cell.name)
    if cell.kind == "baseline":
        return _of_model(params, "students", cell.name)
    return _of_pair(params, cell.name)


def all_sources(params: Params) -> Iterator[Source]:
    """Every one that params.yaml names."""
    for axis in ("students", "teachers"):
        yield from (_of_model(params, axis, name) for name in getattr(params, axis))
    yield from (_of_pair(params, name) for name, pair in params.pairs.items() if pair.distilled)


def inspected(source: Source, path: Path) -> Weights:
    """What a file says of itself, if it may be opened; kept as long as the file does not change.

    Raises:
        ParamsError: if it is no checkpoint of the model that it is to be used for, or may do harm.
    """
    stat = path.stat()
    asked = (str(path), stat.st_size, stat.st_mtime_ns, source.sha256, source.init, source.imgsz)
    content = repr((*asked, ultralytics_version()))
    kept = state_dir() / "checked" / f"{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"
    try:
        found = json.loads(kept.read_text())
        weights = Weights(**{**found, "model": ModelName(**found["model"])})
    except (OSError, ValueError):  # not inspected yet, or just now by another stage
        weights = _inspect(source, path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asdict(weights)))
    if weights.model.stem != source.architecture.stem:
        message = (
            f"{path} holds {weights.model.stem}, not {source.architecture}; write model: {weights.model.stem}"
        )
        raise ParamsError(source.key, message)
    return weights


def _inspect(source: Source, path: Path) -> Weights:
    from kdpipe.published import SHA256
    from kdpipe.runner.opening import check_trust
    from kdpipe.runner.weights import inspect

    try:
        check_trust(path, source.sha256, SHA256.get(path.name) if source.init == RELEASED else None)
        return inspect(path, source.imgsz)
    except KdpipeError as error:
        raise ParamsError(source.key, str(error)) from error


def _of_model(params: Params, axis: str, name: str) -> Source:
    model: Model = getattr(params, axis)[name]
    arguments = train_arguments(params, model)
    return Source(f"{axis}.{name}.init", name, model, model.init, model.sha256, arguments)


def _of_pair(params: Params, name: str) -> Source:
    pair = params.pairs[name]
    student = _of_model(params, "students", pair.student)
    if not pair.distilled:
        return student
    key = f"pairs.{name}.distilled"
    return Source(key, pair.student, student.model, pair.distilled, pair.sha256, student.arguments)
