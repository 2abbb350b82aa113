"""Train one cell of the comparison, and leave its outputs, its record and its run behind."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kdpipe import zoo
from kdpipe.cells import BEST_FILE, DATASET_DIR, PAIR_FILE, PAIRS_DIR, TEACHER_FILE, Cell
from kdpipe.config import PARAMS_FILE, RELEASED, SCRATCH, Model, Params
from kdpipe.console import console
from kdpipe.data import load_manifest
from kdpipe.environment import describe_environment
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.paths import resolve
from kdpipe.preflight import architecture, train_arguments
from kdpipe.records import Identity, Record, digest_of
from kdpipe.runner import training, weights
from kdpipe.tracking import SYSTEM_FILE, Begun, LiveRun, publish_quietly
from kdpipe.work import first_start, lock, work_dir


def train_cell(params: Params, cell: Cell) -> None:
    """Train a cell, or continue where it was interrupted.

    Writes best.pt, history.csv, train.log, params.yaml and record.json to the cell's folder;
    unfinished work lies in .kdpipe/work/FINGERPRINT until then.

    Raises:
        KdpipeError: if start weights or teacher cannot be used.
    """
    source = _source(params, cell)
    start = _start(source)
    identity = identify(params, cell)
    environment = describe_environment()
    work = work_dir(identity.fingerprint)
    with lock(identity.fingerprint):
        started = first_start(work)
        if identity.arguments.get("epochs") == 0:
            trained = _as_it_is(source.key, identity, start)
        else:
            begun = Begun(identity, environment, started, work)
            with LiveRun(params.tracking, begun, console) as live:
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
        _export([*trained.files, work / SYSTEM_FILE, Path(PARAMS_FILE)], trained.best, record, cell.train_dir)
        publish_quietly(params.tracking, cell, console)
        shutil.rmtree(work, ignore_errors=True)
    console.print(f"{cell.id}: {record.epochs} epochs in {record.seconds:.0f} s -> {cell.train_dir}")


def identify(params: Params, cell: Cell) -> Identity:
    """What a cell is, before it is trained; its data set and teacher must be there.

    Raises:
        KdpipeError: if its start weights cannot be used.
    """
    source = _source(params, cell)
    start = _start(source)
    pair = PAIRS_DIR / cell.name if cell.kind == "distill" else None
    return Identity(
        cell=cell.id,
        kind=cell.kind,
        task=params.data.task,
        seed=cell.seed,
        model=str(source.architecture),
        init=source.init,
        init_digest=digest_of(start) if start else None,
        data=params.data.source,
        data_digest=load_manifest(DATASET_DIR).digest,
        arguments=train_arguments(params, source.model),
        student=None if cell.kind == "teacher" else source.name,
        teacher=json.loads((pair / PAIR_FILE).read_text())["teacher"] if pair else None,
        pair=cell.name if pair else None,
        dis=None if pair and params.pairs[cell.name].distilled else cell.dis,
        teacher_digest=digest_of(pair / TEACHER_FILE) if pair else None,
    )


@dataclass(frozen=True)
class Source:
    """Where a cell's start weights come from: `scratch`, `released` or a path, under which key of
    params.yaml that stands, and what they must be of.
    """

    key: str
    name: str
    model: Model
    init: str
    sha256: str | None

    @property
    def architecture(self) -> zoo.ModelName:
        """The Ultralytics model."""
        return architecture(self.name, self.model)

    @property
    def released_file(self) -> str:
        """The name under which Ultralytics releases them."""
        return f"{self.architecture}{'-distill' if self.key.endswith('.distilled') else ''}.pt"


def _source(params: Params, cell: Cell) -> Source:
    if cell.kind == "teacher":
        model = params.teachers[cell.name]
        return Source(f"teachers.{cell.name}.init", cell.name, model, model.init, model.sha256)
    pair = params.pairs[cell.name] if cell.kind == "distill" else None
    student = pair.student if pair else cell.name
    model = params.students[student]
    if pair and pair.distilled:
        return Source(f"pairs.{cell.name}.distilled", student, model, pair.distilled, pair.sha256)
    return Source(f"students.{student}.init", student, model, model.init, model.sha256)


def _start(source: Source) -> Path | None:
    """The file of the start weights, checked to be of the architecture it is used for; or None."""
    if source.init == SCRATCH:
        return None
    try:
        released = source.init == RELEASED
        path = weights.released(source.released_file) if released else resolve(source.init)
        weights.check_digest(path, source.sha256, must_be_known=released)
        found = weights.inspect(path).model
    except KdpipeError as error:
        raise ParamsError(source.key, str(error)) from error
    if found != source.architecture:
        message = f"{path} holds {found}, not {source.architecture}; write model: {found}"
        raise ParamsError(source.key, message)
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
            key,
            f"{start} knows {len(found)} classes ({_few(found)}), the data has {len(names)} "
            f"({_few(names)}); train it on this data: set epochs above 0",
        )
    return training.Trained(best=start, files=(), arguments=identity.arguments)


def _few(names: list[str]) -> str:
    return ", ".join([*names[:3], *(["..."] if names[3:] else [])])


def _export(files: Iterable[Path], best: Path, record: Record, folder: Path) -> None:
    """Copy what is kept; the record comes last, so that a folder with a record is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(best, folder / BEST_FILE)
    for path in files:
        if path.exists():
            shutil.copyfile(path, folder / path.name)
    record.save(folder)
