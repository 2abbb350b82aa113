"""Run one training, and write its outputs, its record and its MLflow run."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kdpipe.cells import recipe
from kdpipe.cells.cell import DATASET_DIR, PAIR_FILE, PAIRS_DIR, TEACHERS, Cell, pair_teacher
from kdpipe.cells.finished import hand_over, keep, kept, remove_committed
from kdpipe.cells.record import Identity, Record, load_identity, save_identity
from kdpipe.cells.running import claimed
from kdpipe.cells.work import alone_with, first_start, set_aside
from kdpipe.checks.checkpoints import check_use
from kdpipe.checks.progress import DONE, RUNNING, progress
from kdpipe.console import console
from kdpipe.data.manifest import load_manifest
from kdpipe.environment import QUANTIZING, describe_environment, training_versions, versions_of
from kdpipe.errors import KdpipeError, ParamsError, about, counted, damaged
from kdpipe.models import names as model_names
from kdpipe.models.entries import AND, method_settings
from kdpipe.models.own_yaml import own_digest, yaml_of
from kdpipe.models.start_weights import Source, source_of
from kdpipe.params.arguments import as_it_is
from kdpipe.params.schema import PARAMS_FILE, Params
from kdpipe.paths import digest_of, digest_of_all
from kdpipe.runner.job import Job
from kdpipe.runner.train import TrainingResult, train
from kdpipe.tracking import SYSTEM_FILE, Deadline, LiveRun, RunStart, publish_quietly
from kdpipe.yolo import inspect
from kdpipe.yolo.device import check_device
from kdpipe.yolo.precision import precision


def train_cell(params: Params, cell: Cell) -> None:
    """Run a training, continue it where it was interrupted, or take its result if it is finished already.

    Writes best.pt, history.csv, train.log, params.yaml and record.json to the training's folder. Unfinished
    work is stored in .kdpipe/work/FINGERPRINT, and so is the result until DVC has it.

    Raises:
        KdpipeError: if start weights or teacher cannot be used.
    """
    source = source_of(params, cell)
    start = start_weights(params, source)
    identity = identify(params, cell, source, start)
    deadline = Deadline(params.tracking.deadline)
    with claimed(cell.stage, identity.fingerprint) as claim, alone_with(identity.fingerprint) as work:
        record = kept(work)
        remove_committed()
        if record is None:
            record = _train(params, identity, source, start, work, deadline=deadline)
        else:
            console.print(f"{cell.id}: this training is finished; its result is taken from {work}")
        with claim.writing() as allowed:
            if not allowed:
                console.print(f"{cell.id}: kept in {work} for the process that has taken over this stage")
                return
            hand_over(work, cell.train_dir)
        publish_quietly(params.tracking, cell, console, deadline)
    epochs = counted(record.epochs, "epoch")
    console.print(f"{cell.id}: {epochs} in {record.seconds:.0f} s -> {cell.train_dir}")


def _train(
    params: Params, identity: Identity, source: Source, start: Path | None, work: Path, *, deadline: Deadline
) -> Record:
    """Train, and keep the result in the work folder."""
    environment = describe_environment()
    started = first_start(work)
    _begin(identity, work)
    shutil.copyfile(PARAMS_FILE, work / PARAMS_FILE)  # it may be edited while this trains
    if as_it_is(identity.arguments):
        assert start is not None, "refused by preflight"
        trained = TrainingResult(best=start, files=(), arguments=identity.arguments)
    else:
        check_device(identity.arguments)
        now = progress(params)
        left = "" if now.seconds_left is None else f"; {about(now.seconds_left)} of training left in all"
        number = now.count(DONE) + now.count(RUNNING)
        console.print(f"{identity.cell} is training {number} of {len(now.trainings)}{left}")
        begun = RunStart(identity, environment, started, work)
        with LiveRun(params.tracking, begun, console, deadline) as live:
            trained = train(_job(identity, source, start), work, live, console)
    imgsz = int(trained.arguments.get("imgsz", model_names.DEFAULT_IMGSZ))
    size = inspect.inspected_as(source.architecture, trained.best, imgsz)
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
        environment={**environment, "device": trained.device} | _precision(trained, identity, imgsz),
    )
    keep(work, [*trained.files, work / SYSTEM_FILE, work / PARAMS_FILE], trained.best, record)
    return record


def _precision(trained: TrainingResult, identity: Identity, imgsz: int) -> dict[str, str]:
    """Which type was chosen for a training on a CPU, and why."""
    chosen = trained.device == "CPU" and "amp" not in identity.arguments
    return {"precision": str(precision(imgsz))} if chosen else {}


def identify(params: Params, cell: Cell, source: Source, start: Path | None) -> Identity:
    """Return the identity of a training before it begins; its data set and teacher must exist.

    Args:
        params: All of params.yaml.
        cell: The training.
        source: Where its start weights come from.
        start: The file of the start weights; None if it starts from scratch.
    """
    pair = PAIRS_DIR / cell.name if cell.kind == "distill" else None
    chosen = _chosen(pair) if pair else {}
    _refuse_edited_student(params, cell.name, chosen)
    return Identity(
        cell=cell.id,
        kind=cell.kind,
        task=params.data.task,
        seed=cell.seed,
        model=str(source.architecture),
        model_digest=own_digest(source.architecture),
        init=source.init,
        init_digest=digest_of(start) if start else None,
        data=params.data.source,
        data_digest=load_manifest(DATASET_DIR).digest,
        arguments=source.arguments,
        student=None if cell.kind in TEACHERS else source.name,
        teacher=chosen.get("teacher"),
        pair=cell.name if pair else None,
        dis=None if pair and params.pairs[cell.name].distilled else cell.dis,
        teacher_digest=digest_of_all(_teachers(cell.name, cell.seed, chosen["teacher"])) if pair else None,
        method=method_settings(params, params.pairs[cell.name]) if pair else None,
        recipe=recipe.installed()["TRAINING"],
        versions=training_versions() | versions_of(QUANTIZING if source.arguments.get("quantize") else ()),
    )


def _teachers(pair: str, seed: int, teacher: str) -> list[Path]:
    """Checkpoints of a pair's teacher, or of several, for the student of a seed."""
    return [pair_teacher(pair, seed, name) for name in teacher.split(AND)]


def _chosen(pair: Path) -> dict[str, Any]:
    """Return what stage pick_teacher chose for a pair."""
    path = pair / PAIR_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"teacher": content["teacher"], **content}
    except (ValueError, TypeError, KeyError) as error:
        remedy = f"`dvc repro --force --single-item pick_teacher@{pair.name}` makes it again"
        raise damaged(path, error, remedy) from error


def _refuse_edited_student(params: Params, pair: str, chosen: dict[str, Any]) -> None:
    """Refuse a student that was edited after the teacher was chosen: DVC knows it by pair.json only."""
    known = chosen.get("student")
    if known is None:
        return
    name = params.pairs[pair].student
    again = f"edited after pair {pair} was made of it; run `dvc repro` again"
    if known != json.loads(json.dumps({"name": name, **asdict(params.students[name])})):
        raise ParamsError(f"students.{name}", again)
    if chosen.get("method") != method_settings(params, params.pairs[pair]):
        raise ParamsError(f"pairs.{pair}.method", again)


def _begin(identity: Identity, work: Path) -> None:
    """Store the identity in the work folder; warn if other versions have begun the same training."""
    if load_identity(work) is not None:
        return
    save_identity(identity, work)
    for folder, begun in set_aside(identity):
        console.print(
            f"[yellow]warning:[/] {identity.cell} starts again: its unfinished training was begun with "
            f"{_code(begun)}, this is {_code(identity)}; delete {folder} if you do not go back to that"
        )


def _code(identity: Identity) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted((identity.versions or {}).items()))
    return f"recipe {identity.recipe} ({versions})"


def start_weights(params: Params, source: Source) -> Path | None:
    """Return the file of the start weights, downloaded if missing; None if a training starts from scratch.

    Only a downloaded file is checked here; preflight has checked the others.

    Raises:
        KdpipeError: if it is missing, cannot be downloaded, or what was downloaded cannot be used.
    """
    path = source.path
    if path is None or path.is_file():
        return path
    if source.selected:
        raise KdpipeError(f"{path} is missing; `dvc repro start@{source.name}` makes it")
    try:
        inspect.released(path.name)
    except KdpipeError as error:
        raise ParamsError(source.key, str(error)) from error
    check_use(params, source, path)
    return path


def _job(identity: Identity, source: Source, start: Path | None) -> Job:
    return Job(
        identity=identity,
        start=str(start or yaml_of(source.architecture)),
        data=DATASET_DIR / "data.yaml",
        teachers=_teachers(identity.pair, identity.seed, str(identity.teacher)) if identity.pair else (),
        images={name: split.images for name, split in load_manifest(DATASET_DIR).splits.items()},
    )
