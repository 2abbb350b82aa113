"""params.yaml as dataclasses of the same names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.written import read, require_named

PARAMS_FILE = "params.yaml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
SCRATCH, RELEASED = "scratch", "released"  # start weights that are no path
SPLITS = ("train", "val", "test")
FEWEST_RESAMPLES = 100


@dataclass
class Digits:
    """Size of the embedded data set.

    Attributes:
        train: Scenes to train on.
        val: Scenes on which the best epoch and the best `dis` are chosen.
        test: Scenes to measure on.
        size: Side of a scene in pixels.
        seed: Another seed draws other scenes.
    """

    train: int = 640
    val: int = 128
    test: int = 128
    size: int = 96
    seed: int = 0


@dataclass
class Data:
    """What to train and validate on.

    Attributes:
        source: `digits`, the path of a data yaml or of a folder with one, or a name that Ultralytics
            downloads.
        task: `detect`, `segment`, `pose` or `obb`.
        digits: The embedded data set; without effect for any other source.
    """

    source: str = MISSING
    task: str = "detect"
    digits: Digits = field(default_factory=Digits)


@dataclass
class Model:
    """A student or a teacher.

    Attributes:
        init: Start weights: `scratch`, `released`, or the path of a .pt file.
        model: The Ultralytics model, or the path of a model yaml; by default the entry's own name.
        sha256: Of the .pt file, which then may be more than a model.
        train: Train arguments that differ from those under `train`; `{epochs: 0}` takes the weights as
            they are.
    """

    init: str = MISSING
    model: str | None = None
    sha256: str | None = None
    train: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pair:
    """Which student learns from which teacher.

    Attributes:
        student: A name from `students`.
        teacher: A name from `teachers`, `recommended`, or a list of names, of which the best on val is taken.
        distilled: A finished distilled student, `released` or a path: nothing is trained, and its teacher may
            be `unknown`.
        sha256: Of that file, which then may be more than a model.
    """

    student: str = MISSING
    teacher: Any = MISSING
    distilled: str | None = None
    sha256: str | None = None


@dataclass
class Sweep:
    """The axes of the comparison.

    Attributes:
        dis: Weights of the distillation loss.
        seeds: Random seeds.
    """

    # int or float, as written: DVC names a cell by the very text of its value, and 6 is not 6.0.
    dis: list[Any] = MISSING
    seeds: list[int] = MISSING


@dataclass
class Validate:
    """How every checkpoint is validated, once per split and head.

    Attributes:
        splits: The first one chooses the best `dis` and the best teacher, the last one measures.
        batch: Images per step.
        conf: Predictions below this confidence are dropped.
        iou: Overlap from which the classical head's NMS drops the weaker of two boxes.
        max_det: Predictions kept per image.
    """

    splits: list[str] = field(default_factory=lambda: ["val", "test"])
    batch: int = 32
    conf: float = 0.001
    iou: float = 0.7
    max_det: int = 300


@dataclass
class Evaluate:
    """How sure a gain is.

    Attributes:
        resamples: Random halves of the images on which AP is measured again.
        seed: Another seed draws other halves.
    """

    resamples: int = 1000
    seed: int = 0


@dataclass
class Tracking:
    """Where the runs go.

    Attributes:
        uri: Of MLflow: a sqlite file, relative to the project, or a server.
        experiment: The name under which the runs stand there.
    """

    uri: str = "sqlite:///mlflow.db"
    experiment: str = "kdpipe"


@dataclass
class Params:
    """All of params.yaml.

    Attributes:
        data: What to train and validate on.
        students: By name; each is trained alone with every seed.
        teachers: By name; each is trained once.
        pairs: By name; each is distilled with every `dis` and every seed.
        sweep: The axes of the comparison.
        train: Ultralytics train arguments.
        validate: How every checkpoint is validated.
        evaluate: How sure a gain is.
        tracking: Where the runs go.
    """

    data: Data = MISSING
    students: dict[str, Model] = MISSING
    teachers: dict[str, Model] = MISSING
    pairs: dict[str, Pair] = MISSING
    sweep: Sweep = MISSING
    train: dict[str, Any] = MISSING
    validate: Validate = field(default_factory=Validate)
    evaluate: Evaluate = field(default_factory=Evaluate)
    tracking: Tracking = field(default_factory=Tracking)


def load(path: Path | str = PARAMS_FILE) -> Params:
    """Read params.yaml: known keys, right types, plain values, usable names.

    Raises:
        ParamsError: at the first thing that is wrong, with its key and what to write instead.
    """
    raw = read(Path(path), _keys(Params))
    try:
        require_named(raw)
        merged = OmegaConf.merge(OmegaConf.structured(Params), raw)
        OmegaConf.to_container(merged, throw_on_missing=True)
        params = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise _sentence(error) from error
    assert isinstance(params, Params)
    _check_names(params)
    _check_sweep(params.sweep)
    _check_validate(params.validate)
    _check_evaluate(params.evaluate)
    return params


def _sentence(error: OmegaConfBaseException) -> ParamsError:
    """One of OmegaConf's errors in the user's words."""
    key = str(getattr(error, "full_key", None) or "(file)")
    if isinstance(error, ConfigKeyError) and is_dataclass(error.object_type):
        word = key.rsplit(".", 1)[-1]
        return ParamsError(key, f"unknown key; {did_you_mean(word, _keys(error.object_type))}")
    first_line = str(error).split("\n")[0]
    if "Missing mandatory value" in first_line:
        return ParamsError(key, "missing; write a value")
    return ParamsError(key, f"wrong type: {first_line}")


def _keys(dataclass_type: Any) -> list[str]:
    return [item.name for item in fields(dataclass_type)]


def _check_names(params: Params) -> None:
    for axis in ("students", "teachers", "pairs"):
        entries = getattr(params, axis)
        if not entries:
            raise ParamsError(axis, "empty; name at least one")
        for name in entries:
            if not NAME.fullmatch(str(name)):
                raise ParamsError(
                    f"{axis}.{name}", "use letters, digits, '_' and '-': DVC and folders are named after it"
                )


def _check_sweep(sweep: Sweep) -> None:
    for dis in sweep.dis:
        number = isinstance(dis, int | float) and not isinstance(dis, bool)
        if not number or not 0 < dis < float("inf"):
            raise ParamsError("sweep.dis", f"{dis!r} is no weight of a loss; write a number above 0")
    for seed in sweep.seeds:
        if seed < 0:
            raise ParamsError("sweep.seeds", f"{seed} is below 0")
    for axis, values in (("dis", sweep.dis), ("seeds", sweep.seeds)):
        if not values:
            raise ParamsError(f"sweep.{axis}", "empty; write at least one value, such as [1]")
        if len(set(values)) < len(values):
            raise ParamsError(f"sweep.{axis}", f"{values} names a value twice")


def _check_validate(validate: Validate) -> None:
    if validate.batch < 1:
        raise ParamsError("validate.batch", f"{validate.batch} is below 1")
    if not validate.splits:
        raise ParamsError("validate.splits", "empty; write at least [val]")
    for split in validate.splits:
        if split not in SPLITS:
            raise ParamsError("validate.splits", f"{split!r}: {did_you_mean(split, SPLITS)}")
    if len(set(validate.splits)) < len(validate.splits):
        raise ParamsError("validate.splits", f"{validate.splits} names a split twice")


def _check_evaluate(evaluate: Evaluate) -> None:
    if evaluate.resamples < FEWEST_RESAMPLES:
        raise ParamsError(
            "evaluate.resamples", f"{evaluate.resamples} say nothing; write at least {FEWEST_RESAMPLES}"
        )
    if evaluate.seed < 0:
        raise ParamsError("evaluate.seed", f"{evaluate.seed} is below 0")
