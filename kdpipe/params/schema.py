"""params.yaml as dataclasses of the same names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

PARAMS_FILE = "params.yaml"
SCRATCH, RELEASED = "scratch", "released"  # start weights that are no path
SPLITS = ("train", "val", "test")
UI_HOST, UI_PORT = "127.0.0.1", 5000  # of `kdpipe ui`: this machine only, whatever MLFLOW_HOST says


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
