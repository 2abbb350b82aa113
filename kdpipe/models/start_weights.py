"""Start weights in params.yaml: where the files are, and how they are used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdpipe.cells.cell import START_FILE, STARTS_DIR, TEACHERS, Cell, pair_folder, start_folder
from kdpipe.models.entries import architecture, train_arguments
from kdpipe.models.names import DEFAULT_IMGSZ, ModelName
from kdpipe.params.arguments import as_it_is
from kdpipe.params.schema import FROM, RELEASED, SCRATCH, Model, Params
from kdpipe.paths import resolve, weights_dir


@dataclass(frozen=True)
class Source:
    """Start weights of a training.

    Attributes:
        key: Key of params.yaml that names them, such as `students.yolo26n.init`.
        name: Name of the student or teacher.
        model: Its entry in params.yaml.
        init: `scratch`, `released`, the path of a .pt file, or `from TEACHER`.
        sha256: Expected SHA-256 of the file; None if the user gave none.
        arguments: Arguments of the training that starts from them.
        selected: The file that stage start selects from a teacher; None if it makes none.
    """

    key: str
    name: str
    model: Model
    init: str
    sha256: str | None
    arguments: dict[str, object]
    selected: Path | None = None

    @property
    def architecture(self) -> ModelName:
        """The Ultralytics model of the weights."""
        return architecture(self.name, self.model)

    @property
    def as_it_is(self) -> bool:
        """Whether the weights are used without training."""
        return as_it_is(self.arguments)

    @property
    def imgsz(self) -> int:
        """Image size in pixels for training and validation."""
        return int(str(self.arguments.get("imgsz", DEFAULT_IMGSZ)))

    @property
    def of_user(self) -> bool:
        """Whether the file is the user's: neither released nor selected from a teacher."""
        return self.init != RELEASED and self.selected is None

    @property
    def file_name(self) -> str:
        """Name of the file in Ultralytics' release."""
        return f"{self.architecture}{'-distill' if self.key.endswith('.distilled') else ''}.pt"

    @property
    def path(self) -> Path | None:
        """Path of the file, which may not be downloaded yet; None for `scratch`."""
        if self.init == SCRATCH:
            return None
        if self.selected:
            return self.selected
        return weights_dir() / self.file_name if self.init == RELEASED else resolve(self.init)


def source_of(params: Params, cell: Cell) -> Source:
    """Start weights of a training."""
    if cell.kind in TEACHERS:
        return _of_model(params, "teachers", cell.name)
    if cell.kind == "baseline":
        return _of_model(params, "students", cell.name, start_folder(cell.name, cell.seed))
    return _of_pair(params, cell.name, pair_folder(cell.name, cell.seed))


def all_sources(params: Params) -> Iterator[Source]:
    """All start weights in params.yaml, of any seed, and the distilled students that are already trained."""
    for axis in ("students", "teachers"):
        yield from (_of_model(params, axis, name) for name in getattr(params, axis))
    yield from (_of_pair(params, name) for name, pair in params.pairs.items() if pair.distilled)


def _of_model(params: Params, axis: str, name: str, folder: Path | None = None) -> Source:
    model: Model = getattr(params, axis)[name]
    arguments = train_arguments(params, model)
    key = f"{axis}.{name}.init"
    if model.starts_from:
        selected = (folder or STARTS_DIR / name) / START_FILE
        return Source(key, name, model, f"{FROM} {model.starts_from}", None, arguments, selected)
    return Source(key, name, model, model.init, model.sha256, arguments)


def _of_pair(params: Params, name: str, folder: Path | None = None) -> Source:
    pair = params.pairs[name]
    student = _of_model(params, "students", pair.student, folder)
    if not pair.distilled:
        return student
    key = f"pairs.{name}.distilled"
    return Source(key, pair.student, student.model, pair.distilled, pair.sha256, student.arguments)
