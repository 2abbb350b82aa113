"""Check that nothing of the user is where DVC deletes: it removes the outputs of a stage before it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kdpipe.cells.cell import DATASET_DIR, PAIRED, PAIRS_DIR, RUNS_DIR, STARTS_DIR, TEACHERS_DIR, all_cells
from kdpipe.data import shipped
from kdpipe.data.data_yaml import entry_of, find_yaml
from kdpipe.data.label_files import label_path
from kdpipe.data.listing import is_binary
from kdpipe.data.names import read_fields
from kdpipe.data.prepare import EMBEDDED
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.models.start_weights import all_sources
from kdpipe.params.schema import SPLITS, Params
from kdpipe.params.tracking_uri import database_file
from kdpipe.paths import project_root, resolve

# As in dvc.yaml, with all that its trainings and pairs write, also those that params.yaml does not name now.
OUTPUTS = (
    DATASET_DIR,
    TEACHERS_DIR,
    STARTS_DIR,
    PAIRS_DIR,
    *(RUNS_DIR / kind for kind in ("teacher", PAIRED, "baseline", "distill")),
    Path("reports/numbers"),
    Path("reports/plots"),
)
REMEDY = "which DVC deletes before the pipeline writes it; move it elsewhere"


def place_problems(params: Params) -> Iterator[ParamsError]:
    """Yield an error for each key that names files under an output of the pipeline, also by a link."""
    yield from _data(params.data.source)
    if (file := database_file(params.tracking)) and (output := _output_at(file, OUTPUTS)):
        yield ParamsError("tracking.uri", f"{file} is in {output}, {REMEDY}")
    written = [PAIRS_DIR / pair for pair in params.pairs]
    written += [STARTS_DIR / student for student in params.students]
    for cell in all_cells(params):
        written += [cell.train_dir, cell.val_dir, cell.eval_dir]
    for key, path in _models(params):
        if output := _output_at(path, written):
            yield ParamsError(key, f"{path} is in {output}, {REMEDY}")


def refuse_output(option: str, folder: Path) -> None:
    """Refuse a folder for files of the user if it is an output of the pipeline, or in one.

    Raises:
        KdpipeError: naming the command-line option and the output.
    """
    if output := _output_at(folder, OUTPUTS):
        raise KdpipeError(
            f"{option} {folder}: DVC deletes {output} before the pipeline writes it; choose another folder"
        )


def _data(source: str) -> Iterator[ParamsError]:
    for place in _places_of_data(source):
        if output := _output_at(place, OUTPUTS):
            yield ParamsError("data.source", f"{place} is in {output}, {REMEDY}")
            return
        if output := _output_in(place):
            yield ParamsError(
                "data.source", f"{place} contains {output}, {REMEDY}; name the folder of the images alone"
            )
            return


def _places_of_data(source: str) -> Iterator[Path]:
    """Yield the files and folders that hold a data set of the user: its yaml, and what that names."""
    if source == EMBEDDED or shipped.find(source) is not None:
        return
    yaml = find_yaml(resolve(source))
    yield yaml
    for place in _named_by(yaml):
        yield place
        if place.is_dir():
            yield label_path(place / "image.png").parent
            yield from _links_in(place)
        elif place.is_file():
            yield from _listed_in(place)


def _named_by(yaml: Path) -> Iterator[Path]:
    """Yield the folders, lists and files of the splits that exist."""
    fields = read_fields(yaml)
    root = yaml.parent / str(fields.get("path") or "")
    for split in SPLITS:
        entry = entry_of(fields, split)
        for item in entry if isinstance(entry, list) else [entry] if entry else []:
            options = (root / str(item), root / str(item).removeprefix("../"))  # as exported by Roboflow
            yield from [option for option in options if option.exists()][:1]


def _links_in(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir():
                yield from _links_in(Path(entry.path))


def _listed_in(file: Path) -> Iterator[Path]:
    """Yield the folders of the images in a list; a file that is no text is refused elsewhere."""
    if not is_binary(file):
        lines = (line.strip() for line in file.read_text(errors="replace", encoding="utf-8").split("\n"))
        yield from dict.fromkeys((file.parent / line).parent for line in lines if line and "\0" not in line)


def _models(params: Params) -> Iterator[tuple[str, Path]]:
    """Yield the checkpoints and model yamls of the user, with their keys."""
    for source in all_sources(params):
        if source.path and source.of_user:
            yield source.key, source.path
    for axis in ("students", "teachers"):
        for name, model in getattr(params, axis).items():
            if model.model and resolve(model.model).is_file():
                yield f"{axis}.{name}.model", resolve(model.model)


def _output_at(place: Path, outputs: tuple[Path, ...] | list[Path]) -> Path | None:
    """Return the output that a path is, or is in."""
    real = place.resolve()
    return next((output for output in outputs if real.is_relative_to(_real(output))), None)


def _output_in(place: Path) -> Path | None:
    """Return the output that a folder contains."""
    real = place.resolve()
    if not real.is_dir():
        return None
    return next((output for output in OUTPUTS if _real(output).is_relative_to(real)), None)


def _real(output: Path) -> Path:
    return (project_root() / output).resolve()
