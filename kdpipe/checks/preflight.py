"""Check params.yaml against models, data and disk before any training time is spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdpipe.cells.cell import DATASET_DIR, this_stage
from kdpipe.cells.recipe import check_recipe
from kdpipe.checks.checkpoints import inspect_all
from kdpipe.checks.exports import calibration_problems, export_problems, size_problems
from kdpipe.checks.finished_students import check_distilled, repetitions
from kdpipe.checks.methods import check_backbone, method_problems
from kdpipe.checks.own_models import check_building
from kdpipe.checks.passed import passed_file, remember
from kdpipe.checks.places import place_problems
from kdpipe.checks.prepared import PREPARE, prepared
from kdpipe.checks.question import question_problems
from kdpipe.checks.selection import check_start
from kdpipe.checks.tracking import tracking_problems
from kdpipe.checks.trainings import training_problems
from kdpipe.data.findings import without_splits
from kdpipe.data.manifest import Manifest, prepared_above_max_det
from kdpipe.data.prepare import check_images, check_source
from kdpipe.environment import check_packages, check_user
from kdpipe.errors import KdpipeError, ParamsError, did_you_mean, raise_all, raised
from kdpipe.models import names as model_names
from kdpipe.models.entries import ALL, RECOMMENDED, UNKNOWN, architecture, candidates
from kdpipe.models.tasks import TASKS
from kdpipe.params.arguments import argument_problems, as_it_is
from kdpipe.params.load import read_params
from kdpipe.params.schema import PARAMS_FILE, RELEASED, SCRATCH, Model, Pair, Params
from kdpipe.paths import pull_hint, resolve


@dataclass(frozen=True)
class Preflight:
    """A valid params.yaml, and warnings about it, one sentence each."""

    params: Params
    warnings: list[str]


def preflight(path: Path | str = PARAMS_FILE) -> Preflight:
    """Load params.yaml, and check it against models, Ultralytics' arguments and disk.

    Raises:
        KdpipeError: lists every problem with its key and what to write instead.
    """
    check_packages()
    check_recipe()
    check_user()
    params, problems = read_params(Path(path))
    if params is not None:
        problems += raised(check_source, params.data)
        problems += _arguments(params)
        problems += _models_and_pairs(params)
        problems += repetitions(params)
        problems += export_problems(params.export)
        problems += tracking_problems(params.tracking)
    raise_all(problems)
    assert params is not None
    manifest = prepared(params.data)
    problems, warnings = inspect_all(params)
    problems += training_problems(params)
    problems += [*size_problems(params), *calibration_problems(params, params.export.formats)]
    if this_stage() in ("", PREPARE):  # before other stages, DVC has deleted already
        problems += place_problems(params)
    wrong, notable = _check_data(params, manifest)
    raise_all([*problems, *wrong])
    return Preflight(params, [*warnings, *notable])


def _check_data(params: Params, manifest: Manifest | None) -> tuple[list[KdpipeError], list[str]]:
    """Errors and warnings about the prepared data set, or about what will be prepared."""
    if manifest:
        crowded = _collected(lambda: list(prepared_above_max_det(params, manifest, DATASET_DIR)))
        return crowded[0], [*without_splits(params.validate.splits, manifest.splits), *crowded[1]]
    return _collected(lambda: check_images(params.data, params.validate))


def _collected(check: Callable[[], list[str]]) -> tuple[list[KdpipeError], list[str]]:
    """The error of a check, and its warnings."""
    try:
        return [], check()
    except KdpipeError as error:
        return [error], []


def _arguments(params: Params) -> list[ParamsError]:
    places = {"train": params.train}
    for axis in ("students", "teachers"):
        places |= {f"{axis}.{n}.train": m.train for n, m in getattr(params, axis).items()}
    problems = [found for key, values in places.items() for found in argument_problems(values, key)]
    validate = params.validate
    places["validate"] = {"conf": validate.conf, "iou": validate.iou, "max_det": validate.max_det}
    return problems or _values(places)


def _values(places: dict[str, dict[str, Any]]) -> list[ParamsError]:
    """Check the values with Ultralytics, unless the same values have passed before.

    Ultralytics takes seconds to import, and most stages do not need it.
    """
    passed = passed_file("values", sorted(places.items()))
    if passed.exists():
        return []
    from kdpipe.yolo.arguments import value_problems

    problems: list[ParamsError] = []
    for key, values in places.items():
        untrained = "." in key and as_it_is(values)  # keys with a dot are of one student or teacher
        checked = {k: v for k, v in values.items() if not (untrained and k == "epochs")}
        problems += value_problems(checked, key)
    if not problems:
        remember(passed)
    return problems


def _models_and_pairs(params: Params) -> Iterator[KdpipeError]:
    if params.data.task not in TASKS:  # model names depend on the task
        return
    broken = False
    for axis in ("students", "teachers"):
        for name, model in getattr(params, axis).items():
            problems = raised(_check_model, f"{axis}.{name}", name, model, params.data.task)
            broken = broken or bool(problems)
            yield from problems
    if broken:  # pairs can be checked only with valid models
        return
    for name in params.students:
        yield from raised(check_start, params, name)
    yield from question_problems(params)
    for name, pair in params.pairs.items():
        yield from raised(_check_pair, name, pair, params) or method_problems(f"pairs.{name}", pair, params)


def _check_model(key: str, name: str, model: Model, task: str) -> None:
    try:
        found = architecture(name, model)
    except ValueError as error:
        hint = f"; a pretrained backbone is {model_names.TIMM}NAME" if key.startswith("teachers.") else ""
        raise ParamsError(f"{key}.model" if model.model else key, f"{error}{hint}") from None
    if found.backbone:
        check_backbone(key, model)
        return
    if found.task != task:
        right = model_names.ModelName(found.family, found.size, task)
        raise ParamsError(key, f"{found} solves {found.task}, data.task is {task}; take {right}")
    if found.file:
        check_building(f"{key}.model", found)
    if model.init == RELEASED and (found.file or found.variant):
        raise ParamsError(f"{key}.init", f"no weights of {found} are released; write scratch or a path")
    untrained = as_it_is(model.train)
    if untrained and (model.init == SCRATCH or model.starts_from):
        raise ParamsError(f"{key}.train.epochs", "0 means `as it is`, which needs init: released or a path")
    if model.starts_from or model.init in (SCRATCH, RELEASED):
        return
    if model.init.endswith(model_names.YAML):
        raise ParamsError(
            f"{key}.init",
            f"{model.init!r} is no file of weights; of a teacher such as DINOv3 write model: "
            f"{model_names.TIMM}NAME, and its .safetensors file here",
        )
    if not (path := resolve(model.init)).is_file():
        raise ParamsError(
            f"{key}.init",
            f"{model.init!r} is neither scratch, released nor an existing .pt file{pull_hint(path)}",
        )


def _check_pair(name: str, pair: Pair, params: Params) -> None:
    key = f"pairs.{name}"
    if pair.student not in params.students:
        hint = did_you_mean(pair.student, params.students)
        raise ParamsError(f"{key}.student", f"{pair.student!r} is not under students; {hint}")
    student = architecture(pair.student, params.students[pair.student])
    check_distilled(key, pair, params.students[pair.student])
    teachers = _teacher_names(key, pair)
    if pair.teacher == RECOMMENDED and not candidates(params, pair):
        best = student.recommended_teacher
        raise ParamsError(
            f"{key}.teacher",
            f"the recommended teacher of {student} is {best}; add it under teachers"
            if best
            else f"there is no recommended teacher for {student}; name one",
        )
    for teacher in teachers:
        if teacher not in params.teachers:
            hint = did_you_mean(teacher, [*params.teachers, RECOMMENDED])
            raise ParamsError(f"{key}.teacher", f"{teacher!r} is not under teachers; {hint}")
        problem = model_names.pairing_problem(student, architecture(teacher, params.teachers[teacher]))
        if problem:
            raise ParamsError(key, problem)


def _teacher_names(key: str, pair: Pair) -> list[str]:
    if pair.teacher in (RECOMMENDED, UNKNOWN):
        return []
    named = [pair.teacher] if isinstance(pair.teacher, str) else pair.teacher
    if isinstance(named, dict) and list(named) == [ALL]:
        named = named[ALL]
    if not isinstance(named, list) or not named or not all(isinstance(n, str) for n in named):
        raise ParamsError(
            f"{key}.teacher",
            f"write a name, {RECOMMENDED!r}, a list of names to choose the best of, or {{{ALL}: [...]}} for "
            "several at once",
        )
    if twice := [name for name, times in Counter(named).items() if times > 1]:
        raise ParamsError(f"{key}.teacher", f"names {', '.join(twice)} twice")
    return named
