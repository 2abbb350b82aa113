"""Train one cell of the comparison, and leave its outputs, its record and its run behind."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from filelock import FileLock

from kdpipe import zoo
from kdpipe.cells import BEST_FILE, DATASET_DIR, PAIR_FILE, PAIRS_DIR, TEACHER_FILE, Cell
from kdpipe.config import PARAMS_FILE, Model, Params
from kdpipe.console import console
from kdpipe.data import load_manifest
from kdpipe.environment import describe_environment
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.paths import resolve, state_dir
from kdpipe.preflight import RELEASED, SCRATCH, architecture, train_arguments
from kdpipe.records import Identity, Record, digest_of
from kdpipe.runner import training, weights
from kdpipe.tracking import LiveRun, publish_quietly


def train_cell(params: Params, cell: Cell) -> None:
    """Train a cell, or continue where it was interrupted.

    Writes best.pt, history.csv, train.log, params.yaml and record.json to the cell's folder;
    unfinished work lies in .kdpipe/work/FINGERPRINT until then.

    Raises:
        KdpipeError: if start weights or teacher cannot be used.
    """
    key, model = _model(params, cell)
    start = _start(key, model)
    identity = identify(params, cell)
    environment, started = describe_environment(), time.time()
    work = state_dir() / "work" / identity.fingerprint
    locks = state_dir() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    # Experiments that run side by side may want the same cell.
    with FileLock(locks / identity.fingerprint):
        if identity.arguments.get("epochs") == 0:
            trained = _as_it_is(key, identity, start)
        else:
            with LiveRun(params.tracking, identity, environment, console) as live:
                trained = training.train(_job(identity, cell, start), work, live, console)
        imgsz = int(trained.arguments.get("imgsz", zoo.DEFAULT_IMGSZ))
        size = weights.inspect(trained.best, imgsz)
        record = Record(
            identity=identity,
            fingerprint=identity.fingerprint,
            arguments=trained.arguments,
            epochs=trained.epochs,
            parameters=size.parameters,
            gflops=size.gflops,
            file_bytes=trained.best.stat().st_size,
            weights_digest=digest_of(trained.best),
            seconds=trained.seconds,
            peak_memory_mib=trained.peak_memory_mib,
            started=started,
            finished=time.time(),
            environment={**environment, "device": trained.device},
        )
        _export(trained, record, cell.train_dir)
        publish_quietly(params.tracking, cell, console)
        shutil.rmtree(work, ignore_errors=True)
    console.print(f"{cell.id}: {record.epochs} epochs in {record.seconds:.0f} s -> {cell.train_dir}")


def identify(params: Params, cell: Cell) -> Identity:
    """What a cell is, before it is trained; its data set and teacher must be there.

    Raises:
        KdpipeError: if its start weights cannot be used.
    """
    key, model = _model(params, cell)
    start = _start(key, model)
    name = key.split(".", 1)[1]
    pair = PAIRS_DIR / cell.name if cell.kind == "distill" else None
    return Identity(
        cell=cell.id,
        kind=cell.kind,
        task=params.data.task,
        seed=cell.seed,
        model=str(architecture(name, model)),
        init=model.init,
        init_digest=digest_of(start) if start else None,
        data=params.data.source,
        data_digest=load_manifest(DATASET_DIR).digest,
        arguments=train_arguments(params, model),
        student=None if cell.kind == "teacher" else name,
        teacher=json.loads((pair / PAIR_FILE).read_text())["teacher"] if pair else None,
        pair=cell.name if pair else None,
        dis=cell.dis,
        teacher_digest=digest_of(pair / TEACHER_FILE) if pair else None,
    )


def _model(params: Params, cell: Cell) -> tuple[str, Model]:
    if cell.kind == "teacher":
        return f"teachers.{cell.name}", params.teachers[cell.name]
    student = params.pairs[cell.name].student if cell.kind == "distill" else cell.name
    return f"students.{student}", params.students[student]


def _start(key: str, model: Model) -> Path | None:
    """The file of the start weights, checked to be of the architecture it is used for; or None."""
    if model.init == SCRATCH:
        return None
    wanted = architecture(key.split(".", 1)[1], model)
    path = weights.released(wanted) if model.init == RELEASED else resolve(model.init)
    try:
        found = weights.inspect(path).model
    except KdpipeError as error:
        raise ParamsError(f"{key}.init", str(error)) from error
    if found != wanted:
        raise ParamsError(f"{key}.init", f"{path} holds {found}, not {wanted}; write model: {found}")
    return path


def _job(identity: Identity, cell: Cell, start: Path | None) -> training.Job:
    return training.Job(
        title=cell.id,
        task=identity.task,
        start=str(start) if start else f"{identity.model}.yaml",
        data=DATASET_DIR / "data.yaml",
        seed=identity.seed,
        arguments=identity.arguments,
        teacher=PAIRS_DIR / cell.name / TEACHER_FILE if cell.kind == "distill" else None,
        dis=identity.dis,
    )


def _as_it_is(key: str, identity: Identity, start: Path | None) -> training.Trained:
    """A checkpoint that is used without training, if it knows the classes of the data."""
    assert start is not None, "refused by preflight"
    found, names = weights.inspect(start).names, load_manifest(DATASET_DIR).names
    if found != names:
        raise ParamsError(
            f"{key}.init",
            f"{start} knows {len(found)} classes ({_few(found)}), the data has {len(names)} "
            f"({_few(names)}); train it on this data: set epochs above 0",
        )
    return training.Trained(best=start, files=(), arguments=identity.arguments)


def _few(names: list[str]) -> str:
    return ", ".join([*names[:3], *(["..."] if names[3:] else [])])


def _export(trained: training.Trained, record: Record, folder: Path) -> None:
    """Copy what is kept; the record comes last, so that a folder with a record is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trained.best, folder / BEST_FILE)
    for path in (*trained.files, Path(PARAMS_FILE)):
        shutil.copyfile(path, folder / path.name)
    record.save(folder)
