"""Ways to get the input wrong, and what must be said of each."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from omegaconf import OmegaConf
from PIL import Image

from tests.data.small import huge

Arrange = Callable[[Path], dict[str, object]]
SCRATCH = {"init": "scratch"}
GOOD_LABEL = "0 0.5 0.5 0.4 0.4\n1 0.2 0.2 0.1 0.1\n"


@dataclass(frozen=True)
class Bad:
    """One mistake: what it is, what is changed in params.yaml for it (by a function, if files must be made
    too), and what the message must say. `stage` is where it is said: by `kdpipe check`, or by prepare.
    """

    what: str
    changes: dict[str, object] | Arrange
    message: str
    stage: str = "check"

    def arrange(self, folder: Path) -> dict[str, object]:
        """Make the files that it needs; returns the changes of params.yaml."""
        return self.changes(folder) if callable(self.changes) else self.changes


def params() -> Iterator[Bad]:
    """Of params.yaml alone."""
    yield Bad("a misspelt key", {"sweep__sedes": [1]}, "sweep.sedes: unknown key; did you mean 'seeds'?")
    yield Bad("a misspelt section", {"trian": {}}, "trian: unknown key; did you mean 'train'?")
    yield Bad("no dis", {"sweep__dis": []}, "sweep.dis: empty; write at least one value, such as [1]")
    yield Bad("no seeds", {"sweep__seeds": []}, "sweep.seeds: empty; write at least one value")
    for dis in ("a", -1.0, 0, True, float("inf"), float("nan")):
        yield Bad(f"dis {dis!r}", {"sweep__dis": [dis]}, f"sweep.dis: {dis!r} is no weight of a loss; write")
    yield Bad("one dis without brackets", {"sweep__dis": 2.0}, "sweep.dis: wrong type")
    yield Bad("a dis twice", {"sweep__dis": [1, 1.0]}, "sweep.dis: [1, 1.0] names a value twice")
    yield Bad("a head of no model", {"evaluate__primary": {"head": "e2"}}, "evaluate.primary.head: 'e2'")
    yield Bad(
        "a head that yolov8 lacks",
        {
            "evaluate__primary": {"head": "e2e"},
            "students": {"yolov8n": {"init": "scratch"}},
            "teachers": {"yolov8s": {"init": "scratch"}},
            "pairs": {"n-s": {"student": "yolov8n", "teacher": "yolov8s"}},
        },
        "evaluate.primary.head: e2e: yolov8n has no such head; write nms",
    )
    yield Bad(
        "a metric of no one", {"evaluate__primary": {"metric": "AP60"}}, "evaluate.primary.metric: 'AP60'"
    )
    yield Bad("a smallest gain of 0", {"evaluate__smallest": 0.0}, "evaluate.smallest: 0.0 is below 0.01")
    yield Bad("a choice of no pair", {"sweep__tried": {"n-x": 3}}, "sweep.tried.n-x: no such pair")
    yield Bad(
        "a choice among none", {"sweep__tried": {"n-s": 0}}, "sweep.tried.n-s: 0: write how many settings"
    )
    yield Bad("no confirm", {"confirm": None}, "confirm: missing; DVC reads it from here")
    yield Bad("half a confirm", {"confirm": {"pairs": {}}}, "confirm.seeds: missing; DVC reads it from here")
    yield Bad("no paired", {"sweep": {"dis": [1.0], "seeds": [0]}}, "sweep.paired: missing; DVC reads it")
    yield Bad("an unknown one", {"sweep__paired": ["yolo26"]}, "sweep.paired: 'yolo26' is not under teachers")
    yield Bad(
        "a teacher twice",
        {"sweep__paired": ["yolo26s", "yolo26s"]},
        "sweep.paired: ['yolo26s', 'yolo26s'] nam",
    )
    yield Bad(
        "seeds of no training",
        {"sweep__paired": ["yolo26s"], "teachers__yolo26s": {"init": "released", "train": {"epochs": 0}}},
        "sweep.paired: yolo26s is used as it is, so a seed changes nothing",
    )
    new = {"pairs": {"n-s": 1.0}, "students": ["yolo26n"], "paired": [], "seeds": [1, 2, 3, 4]}
    yield Bad(
        "one teacher for new seeds",
        {"sweep__paired": ["yolo26s"], "confirm": new},
        "confirm.paired: write those of sweep.paired that confirm.pairs use: ['yolo26s']",
    )
    yield Bad(
        "a seed of both", {"confirm": {**new, "seeds": [0, 1]}}, "confirm.seeds: [0] are in sweep.seeds too"
    )
    yield Bad(
        "a new seed twice", {"confirm": {**new, "seeds": [1, 1]}}, "confirm.seeds: [1, 1] names a value"
    )
    yield Bad("no student", {"confirm": {**new, "students": []}}, "confirm.students: write the students of")
    yield Bad("a dis of 0", {"confirm": {**new, "pairs": {"n-s": 0}}}, "confirm.pairs.n-s: 0 is no weight")
    yield Bad("an unknown pair", {"confirm": {**new, "pairs": {"n-x": 1}}}, "confirm.pairs.n-x: no such pair")
    yield Bad("half a seed", {"sweep__seeds": [0.5]}, "sweep.seeds[0]: wrong type")
    yield Bad("a negative seed", {"sweep__seeds": [-1]}, "sweep.seeds: -1 is below 0")
    yield Bad("no students", {"students": {}}, "students: empty; name at least one")
    yield Bad(
        "students as a list", {"students": ["yolo26n"]}, "students: must map names to mappings, such as"
    )
    yield Bad("no start weights", {"students": {"yolo26n": {}}}, "students.yolo26n.init: missing; write")
    for name in ("n/s", "../../up", "a b", "$(reboot)", "s.v2", "-rf", "größe"):
        pair = {"student": "yolo26n", "teacher": "yolo26s"}
        yield Bad(f"a pair named {name!r}", {"pairs": {name: pair}}, "use letters, digits, '_' and '-'")
    long = "x" * 300
    yield Bad("a long pair", {"pairs": {long: pair}}, "letters, digits, '_' and '-', at most 100")
    for key in ("data.source", "students.yolo26n.init", "students.yolo26n.model"):
        said = f"{key}: a name of 300 bytes, and a file's has at most 255; write a shorter one"
        yield Bad(f"a long {key}", {key.replace(".", "__"): long}, said)
    yield Bad("half a character", {"data__source": "a\ud83d"}, r"data.source: 'a\ud83d' has half a character")
    yield Bad("an unknown split", {"validate__splits": ["vall"]}, "'vall': did you mean 'val'?")
    yield Bad("no splits", {"validate__splits": []}, "validate.splits: empty; write at least [val]")
    yield Bad("a split twice", {"validate__splits": ["val", "val"]}, "names a split twice")
    yield Bad(
        "few resamples", {"evaluate__resamples": 3}, "evaluate.resamples: 3 say nothing; write at least"
    )
    yield Bad("no validation batch", {"validate__batch": 0}, "validate.batch: 0 is below 1")
    yield Bad("a batch in words", {"validate__batch": "many"}, "validate.batch: wrong type")
    for key in ("data", "train", "validate", "evaluate", "tracking", "sweep"):
        yield Bad(f"a list under {key}", {key: [1]}, f"{key}: must be a mapping of keys to values")
    for key in ("validate", "evaluate", "tracking"):
        yield Bad(f"nothing under {key}", {key: None}, "missing; DVC reads it from here, so write it out: ")
    yield Bad("an interpolation", {"train__name": "$" + "{data.task}"}, "must be written out: DVC reads")


def backbones() -> Iterator[Bad]:
    """Of pretrained backbones as teachers."""
    vit, untrained = "timm/test_vit", {"epochs": 0}

    def teacher(pair: dict[str, object], **entry: object) -> Arrange:
        def arrange(folder: Path) -> dict[str, object]:
            (folder / "vit.safetensors").write_bytes(b"not tensors")
            (folder / "dinov3.yaml").write_text("model: dinov3\nrepo: facebookresearch/dinov3\n")
            whole = {"student": "yolo26n", "teacher": "vit", "method": "backbone", **pair}
            return {"teachers__vit": {"train": untrained, **entry}, "pairs__n-vit": whole}

        return arrange

    good = {"model": vit, "init": "vit.safetensors"}
    for what, pair, entry, said in (
        (
            "without weights",
            {},
            {**good, "init": "no.safetensors"},
            "'no.safetensors' is not an existing",
        ),
        (
            "that is trained",
            {},
            {**good, "train": {"epochs": 5}},
            "vit.train.epochs: timm/test_vit is used",
        ),
        (
            "with another method",
            {"method": "l2"},
            good,
            "l2 needs predictions, vit has none; write",
        ),
        (
            "among others",
            {"teacher": ["vit", "yolo26s"]},
            good,
            "vit has no AP by which",
        ),
        ("that is broken", {}, good, "vit.safetensors does not have the weights of test_vit"),
        ("of another sha256", {}, {**good, "sha256": "0" * 64}, "is not the expected file: its sha256 is"),
        ("that sees nothing", {"teacher_imgsz": 0}, good, "pairs.n-vit.teacher_imgsz: 0: write at least 32"),
        ("that timm lacks", {}, {**good, "model": "timm/test_vitt"}, "has no 'test_vitt'; did you mean"),
        (
            "as in Ultralytics",
            {},
            {"model": "dinov3.yaml", "init": "scratch"},
            "a pretrained backbone is timm/",
        ),
        (
            "from a yaml",
            {},
            {"model": "yolo26s", "init": "dinov3.yaml"},
            "'dinov3.yaml' is no file of",
        ),
    ):
        yield Bad(f"a backbone {what}", teacher(pair, **entry), said)
    yield Bad(
        "a smaller teacher_imgsz with multi_scale",
        {"pairs__n-s__teacher_imgsz": 32, "train__multi_scale": 0.25},
        "pairs.n-s.teacher_imgsz: 32: with multi_scale, images would shrink",
    )
    yield Bad(
        "a backbone as a student",
        {"students__vit": {"model": vit, "init": "scratch", "train": {}}},
        "students.vit.model: timm/test_vit has no head; it can only be a teacher",
    )
    yield Bad(
        "another teacher than a backbone",
        {"pairs__n-s": {"student": "yolo26n", "teacher": "yolo26s", "method": "backbone"}},
        "pairs.n-s.teacher: backbone needs a pretrained backbone of timm, yolo26s is none",
    )


def methods() -> Iterator[Bad]:
    """Of start weights from a teacher, and of distillation methods."""
    init = "students.yolo26n.init"
    for value, said in (
        ({"from": "yolo26m"}, f"{init}.from: 'yolo26m' is not under teachers; did you mean 'yolo26s'?"),
        (
            {"form": "yolo26s"},
            f"{init}: {{'form': 'yolo26s'}}: write scratch, released, a path or {{from: TEACHER}}",
        ),
        (["yolo26s"], f"{init}: ['yolo26s']: write scratch"),
        (5, f"{init}: 5: write scratch"),
    ):
        yield Bad(f"a start from {value}", {"students__yolo26n__init": value}, said)
    yield Bad(
        "a teacher that starts from a teacher",
        {"teachers__yolo26s__init": {"from": "yolo26s"}},
        "teachers.yolo26s.init: {'from': 'yolo26s'}: write scratch, released, a path",
    )
    yield Bad(
        "a start that is not trained",
        {"students__yolo26n": {"init": {"from": "yolo26s"}, "train": {"epochs": 0}}},
        "students.yolo26n.train.epochs: 0 means `as it is`, which needs init: released or a path",
    )
    narrower = {
        "students": {"m": {"model": "yolov8m", "init": {"from": "l"}}},
        "teachers": {"l": {"model": "yolov8l", **SCRATCH}},
        "pairs": {"m-l": {"student": "m", "teacher": "l"}},
    }
    said = (
        "students.m.init.from: yolov8l has only 373 of 475 tensors, 52 % of the weights of yolov8m; at least"
    )
    yield Bad("a start from a narrower teacher", narrower, said)
    other = {**narrower, "teachers": {"l": {"model": "yolo11l", **SCRATCH}}}
    yield Bad(
        "a start from another family", other, "yolo11l is of another family than yolov8m; name a teacher"
    )
    yield from backbones()
    for changes, said in (
        ({"method": "ckd"}, "pairs.n-s.method: 'ckd': did you mean 'pkd'?"),
        (
            {"method": "ld"},
            "pairs.n-s.method: ld compares distributions of box sides, which yolo26 does not predict",
        ),
        ({"decay": "linear"}, "pairs.n-s.decay: 'linear': write constant, cosine, o2m or {stop: 0.7}"),
        (
            {"decay": {"stop": 1.5}},
            "pairs.n-s.decay: {'stop': 1.5}: write constant, cosine, o2m or {stop: 0.7}",
        ),
        ({"decay": {"step": 0.5}}, "pairs.n-s.decay: {'step': 0.5}: write constant"),
        ({"beta": 1.0}, "pairs.n-s.beta: l2 has none; only predictions, features+predictions have it"),
        ({"method": "predictions", "beta": -1.0}, "pairs.n-s.beta: -1.0: write a number from 0 to 10"),
        ({"method": "predictions", "weights": [1.0, 1.0]}, "pairs.n-s.weights: predictions has none"),
        ({"method": "features+predictions", "weights": [1.0]}, "pairs.n-s.weights: [1.0]: write two numbers"),
        ({"teacher": {"al": ["yolo26s"]}}, "pairs.n-s.teacher: write a name, 'recommended', a list of names"),
        ({"teacher": {"all": "yolo26s"}}, "pairs.n-s.teacher: write a name, 'recommended', a list of names"),
        ({"teacher": {"all": ["yolo26s", "yolo26s"]}}, "pairs.n-s.teacher: names yolo26s twice"),
        ({"teacher": {"all": ["yolo26s", "big"]}}, "pairs.n-s.teacher: 'big' is not under teachers"),
        ({"teacher_imgsz": 100}, "pairs.n-s.teacher_imgsz: 100: no level of the teacher's neck"),
        ({"teacher_imgsz": 0}, "pairs.n-s.teacher_imgsz: 0: no level of the teacher's neck"),
    ):
        pair = {"student": "yolo26n", "teacher": "yolo26s", **changes}
        yield Bad(f"a pair with {changes}", {"pairs__n-s": pair}, said)


def arguments() -> Iterator[Bad]:
    """Of the train arguments."""
    unknown = "train.epohcs: no train argument of Ultralytics; did you mean 'epochs'?"
    yield Bad("a misspelt argument", {"train__epohcs": 3}, unknown)
    yield Bad(
        "epochs in words", {"train__epochs": "ten"}, "train.epochs: 'epochs=ten' is of invalid type str"
    )
    for imgsz in ([640, 480], 96.5, "large"):
        yield Bad(
            f"imgsz {imgsz!r}",
            {"train__imgsz": imgsz},
            f"train.imgsz: {imgsz!r}: write the side of the images",
        )
    yield Bad(
        "an unknown optimizer", {"train__optimizer": "Adm"}, "train.optimizer: 'Adm': did you mean 'Adam'?"
    )
    yield Bad("no epochs", {"train__epochs": 0}, "'epochs' must be >= 1")
    yield Bad("too much mosaic", {"train__mosaic": 2.0}, "train.mosaic: 'mosaic=2.0' is an invalid value")
    yield Bad("a seed of its own", {"train__seed": 1}, "train.seed: kdpipe sets it; set sweep.seeds")
    given = "train.distill_model: kdpipe sets it; set the teacher under pairs"
    yield Bad("distill_model by hand", {"train__distill_model": "x.pt"}, given)
    for value in ("disk", "DISK"):
        yield Bad(
            f"cache: {value}", {"train__cache": value}, f"train.cache: {value} would write into DVC's copy"
        )
    quoted = "train.cache: 'true': write true without quotes"
    yield Bad("a cache in quotes", {"train__cache": "true"}, quoted)
    yield Bad("a cache in words", {"train__cache": "memory"}, "train.cache: 'memory': choose from: ram")
    yield Bad(
        "quantized teachers", {"train__quantize": 8}, "train.quantize: teachers are trained in floating"
    )
    key, start = "students.yolo26n.train.quantize", {"from": "yolo26s"}
    for value in (16, "int8", True, 8.0):
        arms = {"students": {"yolo26n": {"init": start, "train": {"quantize": value}}}}
        yield Bad(
            f"quantize {value!r}", arms, f"{key}: {value!r}: Ultralytics trains with INT8 only; write 8"
        )
    arms = {"students": {"yolo26n": {"init": "scratch", "train": {"quantize": 8}}}}
    yield Bad("quantized from scratch", arms, f"{key}: the ranges of the integers are measured once")
    arms = {"students": {"yolo26n": {"init": start, "train": {"quantize": 8, "compile": True}}}}
    yield Bad("compiled and quantized", arms, f"{key}: Ultralytics cannot compile such a training")
    paste = {"train__copy_paste_mode": "mixin"}
    yield Bad("an unknown way to paste", paste, "train.copy_paste_mode: 'mixin': did you mean 'mixup'?")
    for batch in (-1, 0.7, "auto", True):
        yield Bad(f"batch {batch!r}", {"train__batch": batch}, "lets each training choose")
    yield Bad(
        "one class", {"train__single_cls": True}, "train.single_cls: kdpipe sets it; the table compares"
    )
    yield Bad("resume by hand", {"train__resume": True}, "train.resume: kdpipe sets it; an interrupted")
    own = {"init": "scratch", "train": {"dis": 1}}
    yield Bad("a student's own dis", {"students__yolo26n": own}, "students.yolo26n.train.dis: kdpipe sets it")
    yield Bad("confidence above 1", {"validate__conf": 5.0}, "validate.conf: 'conf=5.0' is an invalid value")
    yield Bad("no detections", {"validate__max_det": 0}, "validate.max_det: 'max_det=0' is an invalid value")


def pairs() -> Iterator[Bad]:
    """Of models and who teaches whom."""
    yield Bad(
        "an unknown model", {"students": {"yolo27n": SCRATCH}}, "is no model that can be distilled; did you"
    )
    yield Bad(
        "another unknown model", _student(model="yolo26q"), "students.yolo26n.model: 'yolo26q' is no model"
    )
    yield Bad("a classifier", _student(model="yolo26n-cls"), "Ultralytics does not distil classify")
    yield Bad("a semantic model", _student(model="yolo26n-sem"), "Ultralytics does not distil semantic")
    yield Bad("an unknown task", {"data__task": "classify"}, "data.task: 'classify': choose from: detect")
    yield Bad("another task", {"students": {"yolo26n-seg": SCRATCH}}, "data.task is detect; take yolo26n")
    yield Bad("another family", _teacher("yolo11s"), "pairs.n-s: yolo11s is of another family than yolo26n")
    smaller = {
        "students": {"yolo26s": SCRATCH},
        "teachers": {"yolo26n": SCRATCH},
        "pairs": {"s-n": {"student": "yolo26s", "teacher": "yolo26n"}},
    }
    yield Bad(
        "a smaller teacher", smaller, "pairs.s-n: yolo26n is smaller than yolo26s; take a teacher of its"
    )
    yield Bad(
        "other levels", _teacher("yolo26s-p2"), "features of P2 to P5, yolo26n of P3 to P5; take one kind"
    )
    yield Bad("an unnamed teacher", {"pairs__n-s__teacher": "yolo26m"}, "not under teachers; did you mean")
    yield Bad("an unnamed student", {"pairs__n-s__student": "yolo26x"}, "'yolo26x' is not under students")
    for teacher in ([], 7):
        yield Bad(f"teacher {teacher!r}", {"pairs__n-s__teacher": teacher}, "pairs.n-s.teacher: write a name")
    missing = {"teachers": {"yolo26m": SCRATCH}, "pairs__n-s__teacher": "recommended"}
    yield Bad("no recommended teacher", missing, "the recommended teacher of yolo26n is yolo26s; add it")
    yield Bad(
        "an unknown teacher", {"pairs__n-s__teacher": "unknown"}, "pairs.n-s.teacher: only a finished student"
    )
    untrained = {"teachers__yolo26s": {"init": "scratch", "train": {"epochs": 0}}}
    yield Bad(
        "a teacher that knows nothing", untrained, "0 means `as it is`, which needs init: released or a path"
    )
    finished = {"students__yolo26n": {"init": "released", "train": {"epochs": 0}}}
    yield Bad("a student that cannot learn", finished, "nothing can be distilled into it; name the finished")
    yield Bad(
        "half a finished pair",
        {"pairs__n-s__distilled": "released"},
        "compares with a finished baseline only",
    )
    for axis, values in (("dis", [1.0, 6.0]), ("seeds", [0, 1])):
        repeated = {**finished, "pairs__n-s__distilled": "released", f"sweep__{axis}": values}
        yield Bad(f"a finished pair with several {axis}", repeated, "would be counted 2 times; write [")
    released = {"students": {"yolo26n-p2": {"init": "released"}}, "pairs__n-s__student": "yolo26n-p2"}
    yield Bad(
        "weights nobody released", released, "no weights of yolo26n-p2 are released; write scratch or a path"
    )


def own_models() -> Iterator[Bad]:
    """Of the user's own model yamls."""
    yield Bad(
        "no such yaml", _student(model="yolo26n-mine.yaml"), "'yolo26n-mine.yaml' is not there; looked for"
    )
    yield Bad(
        "a yaml of any name", _own_yaml("mine.yaml"), "the name must begin with the model that it changes"
    )
    yield Bad(
        "a yaml of another task", _own_yaml("yolo26n-seg-mine.yaml"), "ends with Detect, which solves detect"
    )
    yield Bad("a yaml with P2", _own_yaml("yolo26n-mine.yaml", variant="-p2"), "the head takes 4 levels")
    code = _own_yaml("yolo26n-mine.yaml", activation="__import__('os').abort()")
    yield Bad("a yaml that runs code", code, "is run as code; write a layer, such as nn.SiLU()")
    yield Bad(
        "a yaml without e2e",
        _own_yaml("yolo26n-mine.yaml", end2end=False),
        "end2end is False; write end2end: True",
    )


def checkpoints() -> Iterator[Bad]:
    """Of checkpoints that exist, or do not."""
    missing = _student(init="none.pt")
    yield Bad(
        "a missing checkpoint", missing, "'none.pt' is neither scratch, released nor an existing .pt file"
    )
    yield Bad(
        "a text file",
        _checkpoint(lambda path: path.write_text("hello")),
        "is no checkpoint, or cut short; take the file",
    )
    yield Bad("half a checkpoint", _checkpoint(_cut_short), "is no checkpoint, or cut short; take the file")
    yield Bad(
        "a layer that is none",
        _checkpoint(_layer_that_is_none),
        "is more than a model: its yaml is none of layers: activation: \"open('gotcha', 'w')\" is run as",
    )
    yield Bad("a program", _checkpoint(_program), "opening it would run posix.system; if you trust this file")
    yield Bad(
        "a constructor", _checkpoint(_constructor), "DetectionModel called with arguments; if you trust"
    )
    yield Bad(
        "another file", _checkpoint(model_file(), sha256="0" * 64), "is not the expected file: its sha256 is"
    )
    yield Bad(
        "weights of another model",
        _checkpoint(model_file("yolo26s")),
        "holds yolo26s, not yolo26n; write model",
    )
    yield Bad(
        "gray weights", _checkpoint(model_file(channels=1)), "takes images of 1 channel, the data has 3"
    )
    yield Bad(
        "a fused checkpoint",
        _checkpoint(model_file(fused=True)),
        "so it can neither learn nor teach; take the checkpoint",
    )
    yield Bad(
        "a fused checkpoint that is trusted",
        lambda folder: _student(init="mine.pt", sha256=_made(folder, model_file(fused=True))),
        "is fused (its normalisation is gone, as in an export)",
    )
    taught = "knows 80 classes (0, 1, 2, ...), the data has 10 (0, 1, 2, ...); train it on this data"
    yield Bad("a teacher of other classes", _as_teacher(model_file("yolo26s", classes=80)), taught)
    order = _as_teacher(model_file("yolo26s", names=[str(digit) for digit in reversed(range(10))]))
    yield Bad("classes in another order", order, "knows the classes in another order (9, 8, 7, ...)")


def data() -> Iterator[Bad]:
    """Of data yamls, images and labels."""
    for source in ("nowhere", "~nobody-of-this-name/data"):
        yield Bad(f"data in {source}", {"data__source": source}, f"{source} does not exist")
    yield Bad(
        "a source without a name", {"data__source": " "}, "data.source: empty; write digits, or the path"
    )
    for name in ("cat\x1b", "cat\ud83d"):
        yield Bad(f"a class named {name!r}", _data(names=[name, "dog"]), f"names: {name!r} has characters")
    long = "x" * 300
    for yaml in ({"path": long}, {"val": f"images/{long}"}):
        yield Bad(f"a data yaml with a long {next(iter(yaml))}", _data(**yaml), "File name too long")
    yield Bad("no validation scenes", {"data__digits__val": 0}, "data.digits.val: 0 is below 1")
    yield Bad("tiny scenes", {"data__digits__size": 8}, "data.digits.size: 8 is below 32")
    yield Bad("a folder without yaml", _data(lambda f: (f / "data.yaml").unlink()), "must hold one data yaml")
    yield Bad("a yaml without an end", _data(_endless_yaml), "must hold one data yaml")
    yield Bad("two yamls", _data(lambda f: shutil.copy(f / "data.yaml", f / "b.yaml")), "b.yaml, data.yaml")
    yield Bad(
        "broken yaml", _data(lambda f: (f / "data.yaml").write_text("names: [")), "not readable as YAML"
    )
    yield Bad("no names", _data(names=None), "names: write a list, or a mapping")
    yield Bad(
        "names with a gap", _data(names={0: "cat", 2: "dog"}), "must run from 0 without gaps; found [0, 2]"
    )
    yield Bad("another count", _data(nc=3), "nc: 3, but 2 names; write 2")
    yield Bad("no such split", _data(val="images/none"), "images/none: no such folder or list")
    yield Bad("no such path", _data(path="elsewhere"), "path: elsewhere is no folder")
    yield Bad("data where DVC deletes", _in_an_output, "is in data/dataset, which DVC deletes before")
    pull = "DVC tracks {}, so `dvc pull` may bring it"
    yield Bad("data not pulled", _not_pulled("theirs"), pull.format("theirs"))
    yield Bad("images not pulled", _not_pulled("theirs/images/val"), pull.format("theirs/images/val"))
    yield Bad("data of a stage not pulled", _not_pulled("theirs", lock=True), pull.format("theirs"))
    missing = "existing .pt file; " + pull.format("mine.pt")
    yield Bad("a checkpoint not pulled", _checkpoint(_tracked), missing)
    for label, problem in {
        "0 0.5 0.5 0.4\n": "4 columns, where a detection label has 5",
        "0 0.5 0.5 1.4 0.4\n": "coordinates outside 0..1",
        "0 0.5 0.5 0 0.4\n": "a box without area",
        "2 0.5 0.5 0.4 0.4\n": "class id 2 outside 0..1",
        "cat 0.5 0.5 0.4 0.4\n": "not numbers",
        "0 nan 0.5 0.4 0.4\n": "not finite",
    }.items():
        yield Bad(f"label {label.strip()!r}", _data(_label(label)), problem)
    yield Bad("broken images", _data(_broken_images), "unreadable images: ")
    yield Bad("no images", _data(lambda f: shutil.rmtree(f / "images/val")), "no such folder or list")
    yield Bad("no objects", _data(_no_objects), "splits without any object: 1")
    yield Bad("no keypoint shape", _data(task="pose"), "task pose needs kpt_shape in the data yaml")


def images() -> Iterator[Bad]:
    """Of images and data yamls that Ultralytics would read otherwise, late or never; all found by check."""
    yield Bad(
        "a path that is a number", _data(path=5), "path: 5: write the folder that train and val start from"
    )
    for channels in (-1, 0, "many", 3.5, True):
        yield Bad(
            f"channels: {channels!r}",
            _data(channels=channels),
            f"channels: {channels!r}: write the number of channels",
        )
    yield Bad(
        "colours where 4 channels are said",
        _data(channels=4),
        "3 channels, but the data yaml has channels: 4",
    )
    no_list = "is neither a folder of images nor a list of their paths"
    yield Bad("train is an image", _data(train="images/train/0.png"), no_list)
    for suffix, content in (
        ("zip", b"PK\3\4\0\0"),
        ("bin", bytes(range(256))),
        ("txt", b"gr\xf6\xdfe.png\n"),
    ):
        yield Bad(
            f"train is a {suffix} file",
            _data(_file(f"train.{suffix}", content), train=f"train.{suffix}"),
            f"train.{suffix} {no_list}",
        )
    yield Bad(
        "train is a number", _data(train=5), "train: 5: write a folder of images, a list file, or several"
    )
    absent = "val: images that are missing, broken links or no regular files: 1 of 3"
    yield Bad("a pipe named .png", _data(lambda f: os.mkfifo(f / "images/val/pipe.png")), absent)
    yield Bad("an endless image", _data(lambda f: (f / "images/val/0.PNG").symlink_to("/dev/zero")), absent)
    yield Bad("a broken link", _data(lambda f: (f / "images/val/x.png").symlink_to("nowhere")), absent)
    yield Bad(
        "folders in a circle",
        _data(lambda f: (f / "images/val/again").symlink_to(f / "images")),
        "is a link to a folder that contains it",
    )
    yield Bad(
        "a name in Latin-1",
        _data(_file(b"images/val/gr\xf6\xdfe.png", b"")),
        "file names that are not UTF-8; rename",
    )
    too_many = "too large: Image size (182000000 pixels) exceeds limit of 178956970 pixels"
    yield Bad("14000 x 13000 pixels", _data(_file("images/val/0.png", huge)), too_many)
    yield Bad(
        "a GIF named .png", _data(_gif), "its format is GIF, which Ultralytics does not read; save it as PNG"
    )
    yield Bad(
        "32 bits per channel", _data(_float_tiff), "32 bits per channel, which Ultralytics does not read"
    )
    yield Bad(
        "labels under another name",
        _data(lambda f: (f / "labels/train/0.txt").rename(f / "labels/train/0.TXT")),
        "train: label files under another name or in another place: 1",
    )
    yield Bad(
        "most labels missing",
        _data(lambda f: [(f / f"labels/train/{n}.txt").unlink() for n in (0, 1)]),
        "train: images without a label file: 2 of 3",
    )
    for flipped in ([9, 9], [0], 5):
        yield Bad(
            f"flip_idx: {flipped}",
            _data(_keypoints, task="pose", kpt_shape=[2, 3], flip_idx=flipped),
            f"flip_idx: {flipped}: name each keypoint from 0 to 1 once",
        )


def tracking() -> Iterator[Bad]:
    """Of MLflow's address, and the name of the experiment."""
    folder = "is a folder, in which MLflow no longer stores runs; write sqlite:///mlflow.db, or"
    for uri, message in {
        "./mlruns": folder,
        "mlruns": folder,
        "file:///store/mlruns": folder,
        "": "empty; write sqlite:///mlflow.db, or the address of a server",
        "ftp://x": "'ftp://x': ftp:// is no store of MLflow; write sqlite:///mlflow.db",
        "databricks": "'databricks': kdpipe does not log to Databricks",
        "databricks://me": "'databricks://me': kdpipe does not log to Databricks",
        "localhost:5000": "'localhost:5000' does not say how to reach it; write http://localhost:5000",
        "mlflow.db": "'mlflow.db' is no address; write sqlite:///mlflow.db",
        "sqlite:mlflow.db": "'sqlite:mlflow.db' is no address; write sqlite:///mlflow.db",
        "sqlite://mlflow.db": "sqlite:// is no store of MLflow; write sqlite:///mlflow.db",
        "sqlite:///": "'sqlite:///' names no file; write sqlite:///mlflow.db",
        "sqlite:///:memory:": "'sqlite:///:memory:' names no file",
        "sqlite:///a?b.db": "holds a '?', which means something else in the address of a database;",
        "sqlite:///a%20b.db": "holds a '%', which means something else in the address of a database;",
        "http://[bad": "'http://[bad' is no address of a server (",
        "http://": "'http://' is no address of a server (it names no host)",
        "http://host:port": "is no address of a server (",
        "sqlite:///data/dataset/mlflow.db": "is in data/dataset, which DVC deletes",
    }.items():
        yield Bad(f"tracking.uri {uri!r}", {"tracking__uri": uri}, message)
    for name in (
        "it's",
        '"best"',
        "../../x",
        "/x",
        "a//b",
        "a/../b",
        "a/",
        ".",
        "100%",
        "a?",
        " a",
        "a\nb",
    ):
        yield Bad(f"an experiment named {name!r}", {"tracking__experiment": name}, "begin with a letter or a")
    yield Bad("an empty experiment", {"tracking__experiment": ""}, "tracking.experiment: empty; write a name")
    yield Bad(
        "a long experiment", {"tracking__experiment": "e" * 300}, "a name of 300 bytes; write at most 200"
    )
    for seconds in (0, -1.0, 1e9, float("nan"), float("inf")):
        yield Bad(
            f"a deadline of {seconds}", {"tracking__deadline": seconds}, "write seconds, above 0 and up"
        )
    yield Bad("a deadline in words", {"tracking__deadline": "soon"}, "tracking.deadline: wrong type")


def exports() -> Iterator[Bad]:
    """Of what is exported."""
    int8 = {"export__formats": ["openvino-int8"], "export__calibrate": "val"}
    measured = (
        "export.calibrate: val: openvino-int8 would be measured on the images that calibrate it; write train"
    )
    yield Bad("INT8 calibrated on what measures it", {**int8, "validate__splits": ["val"]}, measured)
    yield Bad("INT8 calibrated on val without test", lambda folder: {**_data()(folder), **int8}, measured)


def _student(**changes: object) -> dict[str, object]:
    return {"students__yolo26n": {**SCRATCH, **changes}}


def _teacher(name: str) -> dict[str, object]:
    return {"teachers": {name: SCRATCH}, "pairs__n-s__teacher": name}


def _own_yaml(name: str, variant: str = "", **changes: object) -> Arrange:
    def arrange(folder: Path) -> dict[str, object]:
        shipped = OmegaConf.load(shipped_yaml(f"26/yolo26{variant}"))
        OmegaConf.save({**shipped, **changes}, folder / name)
        return _student(model=name)

    return arrange


def shipped_yaml(name: str) -> Path:
    """A model yaml of Ultralytics, which is not imported for it."""
    spec = find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / f"cfg/models/{name}.yaml"


def _checkpoint(make: Callable[[Path], object], **more: object) -> Arrange:
    def arrange(folder: Path) -> dict[str, object]:
        make(folder / "mine.pt")
        return _student(init="mine.pt", **more)

    return arrange


def _made(folder: Path, make: Callable[[Path], object]) -> str:
    """Make a checkpoint; returns its sha256."""
    make(folder / "mine.pt")
    return sha256((folder / "mine.pt").read_bytes()).hexdigest()


def _as_teacher(make: Callable[[Path], object]) -> Arrange:
    def arrange(folder: Path) -> dict[str, object]:
        make(folder / "mine.pt")
        return {"teachers__yolo26s": {"init": "mine.pt", "train": {"epochs": 0}}}

    return arrange


def model_file(
    name: str = "yolo26n",
    *,
    classes: int = 10,
    names: list[str] | None = None,
    channels: int = 3,
    fused: bool = False,
) -> Callable[[Path], object]:
    known = tuple(names or map(str, range(classes)))
    return lambda path: path.write_bytes(_checkpoint_of(name, known, channels, fused))


@cache
def _checkpoint_of(name: str, classes: tuple[str, ...], channels: int, fused: bool) -> bytes:
    """Made once: many tests start from the same one."""
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    saved = YOLO(f"{name}.yaml")
    model: Any = DetectionModel(f"{name}.yaml", ch=channels, nc=len(classes), verbose=False)
    model.names = dict(enumerate(classes))
    saved.model = model.fuse(verbose=False) if fused else model
    with TemporaryDirectory() as folder:
        saved.save(Path(folder) / "model.pt")
        return (Path(folder) / "model.pt").read_bytes()


def _cut_short(path: Path) -> None:
    model_file()(path)
    path.write_bytes(path.read_bytes()[:50_000])


class _Runs:
    def __init__(self, function: object, *given: object) -> None:
        self._called = (function, given)

    def __reduce__(self) -> Any:
        return self._called


def _program(path: Path) -> None:
    import torch

    torch.save({"model": _Runs(os.system, "touch gotcha")}, path)


def _constructor(path: Path) -> None:
    import torch
    from ultralytics.nn.tasks import DetectionModel

    torch.save({"model": _Runs(DetectionModel, {"activation": "open('gotcha', 'w')"})}, path)


def _layer_that_is_none(path: Path) -> None:
    """A student is built from the yaml inside, by calling what its layers are named."""
    import torch

    model_file()(path)
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["model"].yaml["backbone"][0][2] = "torch_safe_load"
    checkpoint["model"].yaml["activation"] = "open('gotcha', 'w')"
    torch.save(checkpoint, path)


def _data(change: Callable[[Path], object] = bool, task: str = "detect", **yaml: object) -> Arrange:
    """A data set of two classes, three images in train and two in val, spoilt by a change."""

    def arrange(folder: Path) -> dict[str, object]:
        for split, count in (("train", 3), ("val", 2)):
            for kind in ("images", "labels"):
                (folder / "theirs" / kind / split).mkdir(parents=True)
            for index in range(count):
                pixels = np.random.default_rng([count, index]).integers(0, 255, (32, 40, 3), np.uint8)
                cv2.imwrite(str(folder / f"theirs/images/{split}/{index}.png"), pixels)
                (folder / f"theirs/labels/{split}/{index}.txt").write_text(GOOD_LABEL)
        content = {"train": "images/train", "val": "images/val", "names": ["cat", "dog"], **yaml}
        OmegaConf.save(OmegaConf.create(content), folder / "theirs/data.yaml")
        change(folder / "theirs")
        suffix = "" if task == "detect" else f"-{task}"
        models = {"students": {f"yolo26n{suffix}": SCRATCH}, "teachers": {f"yolo26s{suffix}": SCRATCH}}
        pair = {"student": f"yolo26n{suffix}", "teacher": f"yolo26s{suffix}"}
        return {"data": {"source": "theirs", "task": task}, **models, "pairs": {"n-s": pair}}

    return arrange


def _in_an_output(folder: Path) -> dict[str, object]:
    changes = _data()(folder)
    (folder / "data").mkdir()
    (folder / "theirs").rename(folder / "data/dataset")
    return {**changes, "data": {"source": "data/dataset", "task": "detect"}}


def _endless_yaml(folder: Path) -> None:
    (folder / "data.yaml").unlink()
    os.mkfifo(folder / "data.yaml")


def _not_pulled(name: str, *, lock: bool = False) -> Arrange:
    def arrange(folder: Path) -> dict[str, object]:
        changes = _data()(folder)
        shutil.rmtree(folder / name)
        if lock:
            (folder / "dvc.lock").write_text(f"stages: {{crop: {{cmd: crop, outs: [{{path: {name}}}]}}}}")
        else:
            _tracked(folder / name)
        return changes

    return arrange


def _tracked(path: Path) -> None:
    """As after `dvc add` and a clone."""
    path.with_name(f"{path.name}.dvc").write_text(f"outs: [{{path: {path.name}}}]")


def _label(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "labels/train/0.txt").write_text(text)


def _broken_images(folder: Path) -> None:
    for path in (folder / "images/train").glob("*.png"):
        path.write_bytes(path.read_bytes()[:400])


def _file(name: str | bytes, content: bytes | Callable[[], bytes]) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        with open(os.path.join(os.fsencode(folder), os.fsencode(name)), "wb") as file:  # noqa: PTH118, PTH123
            file.write(content() if callable(content) else content)

    return write


def _gif(folder: Path) -> None:
    Image.new("L", (40, 32)).save(folder / "images/val/0.png", "GIF")


def _float_tiff(folder: Path) -> None:
    (folder / "images/val/0.png").unlink()
    cv2.imwrite(str(folder / "images/val/0.tif"), np.ones((32, 40), np.float32))


def _keypoints(folder: Path) -> None:
    for label in folder.glob("labels/*/*.txt"):
        label.write_text("0 0.5 0.5 0.2 0.2 0.1 0.1 2 0.9 0.9 1\n")


def _no_objects(folder: Path) -> None:
    for label in (folder / "labels/val").iterdir():
        label.write_text("")


def limits() -> Iterator[Bad]:
    """Numbers that are too small or too large, and would fail late or mean something else."""
    huge = 10**12
    yield Bad("a seed of 33 bits", {"sweep__seeds": [5_000_000_000]}, "sweep.seeds: 5000000000 is above")
    yield Bad("a negative seed of scenes", {"data__digits__seed": -1}, "data.digits.seed: -1 is below 0")
    yield Bad("a negative seed of halves", {"evaluate__seed": -1}, "evaluate.seed: -1 is below 0")
    for imgsz in (0, -64, 31):
        yield Bad(f"imgsz {imgsz}", {"train__imgsz": imgsz}, f"train.imgsz: {imgsz} is below 32")
    for name in (
        "epochs",
        "batch",
        "nbs",
        "workers",
        "imgsz",
        "max_det",
        "warmup_epochs",
        "time",
        "close_mosaic",
    ):
        yield Bad(f"huge {name}", {f"train__{name}": huge}, f"train.{name}: {huge} is above")
    for key in ("data.digits.train", "data.digits.size", "validate.batch", "evaluate.resamples"):
        yield Bad(f"huge {key}", {key.replace(".", "__"): huge}, f"{key}: {huge} is above")
    own = {"init": "scratch", "train": {"epochs": huge}}
    yield Bad("a student's huge epochs", {"students__yolo26n": own}, "students.yolo26n.train.epochs: 1000000")
    yield Bad("negative workers", {"train__workers": -1}, "train.workers: -1 is below 0")
    yield Bad("a negative loss", {"train__box": -7.5}, "train.box: -7.5 is below 0")
    for value in (float("nan"), float("inf")):
        yield Bad(f"lr0 {value}", {"train__lr0": value}, f"train.lr0: {value} is no number to train with")


def devices() -> Iterator[Bad]:
    """Of devices that there are not, and of those that this machine does not have."""
    for device in ("gpu", "-1", -1, "tpu", True, 0.5, "cuda:", []):
        yield Bad(f"device {device!r}", {"train__device": device}, "is no device; write auto (the first GPU")
    for device in ("auto,1", "cpu,0", [0, "cpu"]):
        yield Bad(f"device {device!r}", {"train__device": device}, "only GPUs can be several; write auto")
    yield Bad("a GPU twice", {"train__device": [0, "cuda:0"]}, "train.device: 0, 0 names a GPU twice")
    for device, said in {
        "cuda:99": "GPU 99 is not there: this machine has",
        "99": "GPU 99 is not there: this machine has",
        "npu:0": "npu:0 is not there: this machine has no NPU; write auto",
        "xpu:99": "xpu:99 is not there: this machine has",
        **({} if sys.platform == "darwin" else {"mps": "mps is not there: this machine has no Apple GPU"}),
    }.items():
        yield Bad(f"device {device!r}", {"train__device": device}, f"train.device: {said}")
    own = {"init": "scratch", "train": {"device": "cuda:99"}}
    place = "teachers.yolo26s.train.device: GPU 99 is not there"
    yield Bad("a teacher's own device", {"teachers__yolo26s": own}, place)


def trainings() -> Iterator[Bad]:
    """Of arguments that do not fit the model or the data."""
    whole = "24 freezes all 24 layers of yolo26n; write at most 23"
    yield Bad("every layer frozen", {"train__freeze": 24}, f"train.freeze: {whole}")
    yield Bad(
        "every layer frozen by name", {"train__freeze": [*range(24)]}, "freezes all 24 layers of yolo26n"
    )
    own = {"init": "scratch", "train": {"freeze": 30}}
    place = "teachers.yolo26s.train.freeze: 30 freezes all 24 layers of yolo26s"
    yield Bad("a teacher that is frozen", {"teachers__yolo26s": own}, place)
    yield Bad(
        "a layer that there is not", {"train__freeze": [0, "24.cv2"]}, "train.freeze: 24 is no layer of"
    )
    for freeze in ("24", -1, True, 1.5, ["backbone"], [True]):
        yield Bad(f"freeze {freeze!r}", {"train__freeze": freeze}, "write how many of the first layers")
    share = "train.fraction: 0.0001 of 32 training images is not even one"
    yield Bad("no image to train on", {"train__fraction": 0.0001}, share)
    many = "train.fraction: 1000000000000 of 32 training images are too many"
    yield Bad("more images than there are", {"train__fraction": 10**12}, many)
    one = "train.imgsz: a batch of one image of 32 pixels is a single value in the last layers of yolo26n"
    yield Bad("one image of one cell", {"train__imgsz": 32, "train__batch": 1}, one)
    last = "train.imgsz: a last batch of one image (32 images, batch 31) of 32 pixels"
    yield Bad("a last image of one cell", {"train__imgsz": 32, "train__batch": 31}, last)
    small = {"train__imgsz": 64, "train__batch": 1, "train__multi_scale": 0.5}
    yield Bad("one image of one cell at times", small, one)
    modes = "train.compile: 'evilmode' is no mode of torch.compile"
    yield Bad("an unknown way to compile", {"train__compile": "evilmode"}, modes)


BAD_INPUTS = [
    *(
        bad
        for group in (params, arguments, methods, pairs, own_models, checkpoints, data, images)
        for bad in group()
    ),
    *(bad for group in (limits, devices, trainings, tracking, exports) for bad in group()),
]
