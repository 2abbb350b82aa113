"""Dataclasses for params.yaml, with the same names as its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

PARAMS_FILE = "params.yaml"
SCRATCH, RELEASED = "scratch", "released"  # values of `init` that are not paths
FROM = "from"  # key of an `init` that names a teacher
L2, CONSTANT = "l2", "constant"  # method and decay of a pair that names none
SPLITS = ("train", "val", "test")
METRICS = ("AP", "AP50", "AP75")  # that `evaluate.primary.metric` may name
UI_HOST, UI_PORT = "127.0.0.1", 5000  # `kdpipe ui` serves this machine only, even if MLFLOW_HOST is set


@dataclass
class Digits:
    """Size of the embedded data set.

    Attributes:
        train: Images for training.
        val: Images on which the best epoch and the best `dis` are chosen.
        test: Images for the final metrics.
        size: Width and height of an image in pixels.
        seed: Random seed; another seed draws other images.
    """

    train: int = 640
    val: int = 128
    test: int = 128
    size: int = 96
    seed: int = 0


@dataclass
class Data:
    """Data to train and validate on.

    Attributes:
        source: `digits`, the path of a data yaml or of a folder with one, or the name of a data set that
            Ultralytics downloads.
        task: `detect`, `segment`, `pose` or `obb`.
        digits: The embedded data set; ignored for any other source.
    """

    source: str = MISSING
    task: str = "detect"
    digits: Digits = field(default_factory=Digits)


@dataclass
class Model:
    """A student or a teacher.

    Attributes:
        init: Start weights: `scratch`, `released`, the path of a .pt file, or for a student
            `{from: TEACHER}`: channels selected from that teacher.
        model: The Ultralytics model, or the path of a model yaml; by default the name of the entry.
        sha256: SHA-256 of the .pt file. With it, what the file has beside a model is ignored.
        train: Train arguments that override those under `train`; `{epochs: 0}` uses the weights without
            training.
    """

    init: Any = MISSING
    model: str | None = None
    sha256: str | None = None
    train: dict[str, Any] = field(default_factory=dict)

    @property
    def starts_from(self) -> str | None:
        """The teacher that the start weights are selected from."""
        return str(self.init[FROM]) if isinstance(self.init, dict) else None


@dataclass
class Pair:
    """A student and the teacher that it learns from.

    Attributes:
        student: A name from `students`.
        teacher: A name from `teachers`, `recommended`, or a list of names; of a list, the teacher with the
            best val metric is used. `{all: [...]}` is several teachers at once: their losses are averaged.
        teacher_imgsz: Image size at which the teacher sees the images; that of the student if omitted.
        method: How the teacher's knowledge is compared: docs/methods.md.
        decay: How the weight of the distillation loss falls over the epochs: `constant`, `cosine`, `o2m`, or
            `{stop: 0.7}` for none after this share of them.
        beta: Exponent of the difference, of methods that compare class scores; 0 if omitted.
        weights: Weights of the two parts of `features+predictions`; 1 each if omitted.
        distilled: A distilled student that is already trained, `released` or a path. Nothing is trained then,
            and its teacher may be `unknown`.
        sha256: SHA-256 of that file. With it, what the file has beside a model is ignored.
    """

    student: str = MISSING
    teacher: Any = MISSING
    teacher_imgsz: int | None = None
    method: str = L2
    decay: Any = CONSTANT
    beta: float | None = None
    weights: list[float] | None = None
    distilled: str | None = None
    sha256: str | None = None


@dataclass
class Sweep:
    """Values that are compared; each pair is distilled with every combination.

    Attributes:
        dis: Weights of the distillation loss.
        seeds: Random seeds.
        paired: Teachers with a training per seed: the student of a seed starts and learns from the teacher
            of that seed.
        tried: How many settings were tried to find the best one of a pair, by pair, if more than `dis` says;
            `kdpipe tune` writes it.
    """

    # Keep int and float apart: DVC puts the written value into stage names, where 6 and 6.0 differ.
    dis: list[Any] = MISSING
    seeds: list[int] = MISSING
    paired: list[str] = MISSING
    tried: dict[str, int] = field(default_factory=dict)


@dataclass
class Confirm:
    """New seeds for pairs at the `dis` that was chosen for them; `kdpipe confirm` writes this.

    Attributes:
        pairs: The chosen `dis` by pair.
        students: The students of these pairs.
        paired: Those of `sweep.paired` that these pairs use.
        seeds: Random seeds that `sweep.seeds` does not have.
    """

    pairs: dict[str, Any] = field(default_factory=dict)
    students: list[str] = field(default_factory=list)
    paired: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)


@dataclass
class Validate:
    """Settings for the validation of every checkpoint, once per split and head.

    Attributes:
        splits: The first one selects the best `dis` and the best teacher, the last one gives the metrics.
        batch: Images per batch.
        conf: Confidence threshold; predictions below it are dropped.
        iou: IoU threshold of the NMS after the classical head.
        max_det: Maximum number of predictions per image.
    """

    splits: list[str] = field(default_factory=lambda: ["val", "test"])
    batch: int = 32
    conf: float = 0.001
    iou: float = 0.7
    max_det: int = 300


@dataclass
class Primary:
    """What decides: the head `e2e` (the default where there is one) or `nms`, and `AP`, `AP50` or `AP75`."""

    head: str | None = None
    metric: str = METRICS[0]


@dataclass
class Evaluate:
    """The question that the comparison answers, and settings for the uncertainty of a gain.

    Attributes:
        primary: The comparison that decides.
        smallest: The smallest gain worth having, in points of the primary metric.
        resamples: Number of random halves of the images on which AP is computed again.
        seed: Random seed; another seed draws other halves.
    """

    primary: Primary = field(default_factory=Primary)
    smallest: float = 0.5
    resamples: int = 1000
    seed: int = 0


@dataclass
class Export:
    """What is exported and measured again: students at their best `dis`, their baselines and teachers.

    Attributes:
        formats: Such as `onnx`, `openvino` or `openvino-int8`; none by default.
        imgsz: Image size of the exported files; that of the training if omitted.
        calibrate: The split whose images INT8 is calibrated on, `train` or `val`.
        fraction: Share of these images.
    """

    formats: list[str] = field(default_factory=list)
    imgsz: int | None = None
    calibrate: str = SPLITS[0]
    fraction: float = 1.0


@dataclass
class Tracking:
    """MLflow server and experiment for the runs.

    Attributes:
        uri: MLflow tracking URI: a SQLite file, relative to the project root, or a server.
        experiment: Name of the MLflow experiment.
        deadline: Seconds that the end of a training waits for MLflow, in all. What is not logged by then is
            logged later, by `kdpipe sync` or the report stage.
    """

    uri: str = "sqlite:///mlflow.db"
    experiment: str = "kdpipe"
    deadline: float = 30.0


@dataclass
class Params:
    """All of params.yaml.

    Attributes:
        data: Data to train and validate on.
        students: Students by name; each is trained without a teacher with every seed.
        teachers: Teachers by name; each is trained once, and those in `sweep.paired` once per seed too.
        pairs: Pairs by name; each is distilled with every `dis` and every seed.
        sweep: Values that are compared.
        confirm: New seeds for what was chosen by the sweep.
        train: Ultralytics train arguments.
        validate: Settings for the validation of every checkpoint.
        evaluate: The question, and settings for the uncertainty of a gain.
        export: What is exported and measured again.
        tracking: MLflow server and experiment for the runs.
    """

    data: Data = MISSING
    students: dict[str, Model] = MISSING
    teachers: dict[str, Model] = MISSING
    pairs: dict[str, Pair] = MISSING
    sweep: Sweep = MISSING
    confirm: Confirm = MISSING
    train: dict[str, Any] = MISSING
    validate: Validate = field(default_factory=Validate)
    evaluate: Evaluate = field(default_factory=Evaluate)
    export: Export = field(default_factory=Export)
    tracking: Tracking = field(default_factory=Tracking)
