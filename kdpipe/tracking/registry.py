"""Register the best student of each pair as a version of an MLflow model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LifecycleStage
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array
from rich.console import Console
from rich.markup import escape

from kdpipe.cells.cell import BEST_FILE, Cell
from kdpipe.cells.record import DECISIVE_PACKAGES, load_record
from kdpipe.errors import KdpipeError
from kdpipe.models.names import DEFAULT_IMGSZ
from kdpipe.params.schema import Tracking
from kdpipe.tracking import pyfunc_model
from kdpipe.tracking.errors import reachable
from kdpipe.tracking.fields import WEIGHTS_DIGEST
from kdpipe.tracking.finished import FinishedCell
from kdpipe.tracking.store import Store

ALIAS = "best"
FOLDER = "model"
EXPORTS = "export"  # folder of a run's artifacts, and beginning of a tag of a version
DESCRIPTION = "Best student of a pair; older versions were the best before."
NUMBERS = Array(DataType.double)
BOX = dict.fromkeys(("x1", "y1", "x2", "y2"), DataType.double)
OUTPUTS: dict[str, dict[str, Any]] = {
    "detect": BOX,
    "segment": {**BOX, **dict.fromkeys(("segments_x", "segments_y"), NUMBERS)},
    "pose": {**BOX, **dict.fromkeys(("keypoints_x", "keypoints_y", "keypoints_visible"), NUMBERS)},
    "obb": dict.fromkeys((f"{axis}{corner}" for corner in range(1, 5) for axis in "xy"), DataType.double),
}


def register(tracking: Tracking, best: Mapping[str, FinishedCell]) -> list[str]:
    """Set the alias `best` of each pair's registered model to its best student, as a new version if needed.

    A model is named after experiment and pair; `mlflow.pyfunc` loads it, for example from
    `models:/kdpipe-n-s@best`.

    Returns:
        Name and version of each model whose best student has changed.

    Raises:
        KdpipeError: if the store cannot be used.
    """
    with reachable(tracking):
        store = Store(tracking)
        known = {model.name: model for model in store.models()}
        wanted = {store.model_name(pair): finished for pair, finished in best.items()}
        return [
            f"{name} {_register(store, name, found, exists=name in known)}"
            for name, found in wanted.items()
            if name not in known or not _is_best(store, known[name], found)
        ]


def _is_best(store: Store, model: RegisteredModel, best: FinishedCell) -> bool:
    """Whether the alias is at this student, in a run that is there; one that was made again has no files."""
    if model.tags.get(WEIGHTS_DIGEST) != best.record.weights_digest or ALIAS not in model.aliases:
        return False
    version = store.client.get_model_version(model.name, model.aliases[ALIAS])
    return _has_run(store, version)


def _has_run(store: Store, version: ModelVersion) -> bool:
    """Whether the run with the files of a version is there."""
    try:
        return bool(store.client.get_run(str(version.run_id)).info.lifecycle_stage == LifecycleStage.ACTIVE)
    except MlflowException:  # removed for good by `mlflow gc`
        return False


def attach_export(tracking: Tracking, cell: Cell, folder: Path, console: Console) -> None:
    """Put an exported file beside the checkpoint: into the run of its training, named in the model's version.

    What the store cannot take is said, and lost nothing by: the folder is on disk.

    Args:
        tracking: The MLflow settings of params.yaml.
        cell: The training.
        folder: The exported file with its model card.
        console: Where it is said.
    """
    place = f"{EXPORTS}/{folder.name}"
    try:
        with reachable(tracking):
            version = _attach(Store(tracking), cell, folder, place)
    except KdpipeError as error:
        console.print(f"[yellow]warning:[/] it is not in MLflow: {escape(str(error))}")
    else:
        console.print(f"{version} -> {place} in its run")


def _attach(store: Store, cell: Cell, folder: Path, place: str) -> str:
    """Log the files, tag the version of the model that has the checkpoint, and return its name."""
    record = load_record(cell.train_dir)
    runs, name = store.runs_of(record.fingerprint), store.model_name(cell.name)
    versions = store.client.search_model_versions(f"name = '{name}'")
    same = [found for found in versions if found.tags.get(WEIGHTS_DIGEST) == record.weights_digest]
    if not runs or not same:
        raise KdpipeError(f"{cell.id} is not there; `kdpipe sync` registers it")
    run, number = runs[0].info.run_id, str(same[0].version)
    store.client.log_artifacts(run, str(folder), place)
    store.client.set_model_version_tag(name, number, f"{EXPORTS}.{folder.name}", f"runs:/{run}/{place}")
    return f"{name} {number}"


def _register(store: Store, name: str, best: FinishedCell, *, exists: bool) -> str:
    """Return the version of this student; create it if these weights are not registered yet."""
    if not exists:
        store.client.create_registered_model(name, description=DESCRIPTION)
    digest = best.record.weights_digest
    versions = store.client.search_model_versions(f"name = '{name}'")
    of_digest = (found for found in versions if found.tags.get(WEIGHTS_DIGEST) == digest)
    same = (str(found.version) for found in of_digest if _has_run(store, found))
    number = next(same, None) or _new_version(store, name, best)
    store.client.set_registered_model_alias(name, ALIAS, number)
    store.client.set_registered_model_tag(name, WEIGHTS_DIGEST, digest)
    return number


def _new_version(store: Store, name: str, best: FinishedCell) -> str:
    run = store.runs_of(best.record.fingerprint)[0].info.run_id
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / FOLDER
        _save(best, folder)
        store.client.log_artifacts(run, str(folder), FOLDER)
    cell = best.cell
    tags = {WEIGHTS_DIGEST: best.record.weights_digest, "dis": str(cell.dis), "seed": str(cell.seed)}
    made = store.client.create_model_version(
        name, f"runs:/{run}/{FOLDER}", run, tags=tags, description=cell.id
    )
    return str(made.version)


def _save(best: FinishedCell, folder: Path) -> None:
    from mlflow import pyfunc

    versions = best.record.environment
    weights = best.folder / BEST_FILE
    if not best.record.epochs:  # a file of others: what is registered is loaded without kdpipe's checks
        from kdpipe.yolo.opening import save_rebuilt

        weights = folder.with_name(BEST_FILE)
        save_rebuilt(best.folder / BEST_FILE, weights)
    with warnings.catch_warnings(action="ignore"):  # an input example would be a path of this machine
        pyfunc.save_model(
            folder,
            python_model=pyfunc_model.__file__,
            artifacts={"weights": str(weights)},
            pip_requirements=[f"{name}=={versions[name]}" for name in DECISIVE_PACKAGES if name in versions],
            signature=_signature(best),
        )


def _signature(best: FinishedCell) -> ModelSignature:
    columns = {
        "image": DataType.string,
        "class_id": DataType.long,
        "name": DataType.string,
        "confidence": DataType.double,
        **OUTPUTS[best.record.identity.task],
    }
    imgsz = int(best.record.arguments.get("imgsz", DEFAULT_IMGSZ))
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "image")]),
        outputs=Schema([ColSpec(kind, name) for name, kind in columns.items()]),
        params=ParamSchema(
            [
                ParamSpec("nms", DataType.boolean, default=False),
                ParamSpec("conf", DataType.double, default=0.25),
                ParamSpec("iou", DataType.double, default=0.7),
                ParamSpec("imgsz", DataType.long, default=imgsz),
            ]
        ),
    )
