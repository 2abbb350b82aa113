"""Ultralytics train arguments: which ones are allowed under `train`, and which ones kdpipe sets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from kdpipe.errors import KdpipeError, ParamsError, did_you_mean
from kdpipe.params.limits import TRAIN, limit_problems

AUTO = "auto"
INT8 = 8  # bits
OPTIMIZERS = ("Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD", "MuSGD", AUTO)
CHOICES = {"optimizer": OPTIMIZERS, "cache": ("ram",), "copy_paste_mode": ("flip", "mixup")}
LAYER = re.compile(r"\d+(\.\w+)*")
DEVICE = re.compile(r"auto|cpu|mps|\d+|(npu|xpu)(:\d+)?")
OWNED = {
    "task": "set data.task",
    "mode": "kdpipe trains and validates",
    "model": "set it under students or teachers",
    "data": "set data.source",
    "pretrained": "set init under students or teachers",
    "distill_model": "set the teacher under pairs",
    "dis": "set sweep.dis",
    "seed": "set sweep.seeds",
    "resume": "an interrupted training is resumed by the next `dvc repro`",
    "save": "checkpoints are needed to resume",
    "save_dir": "runs/ and models/ are laid out by dvc.yaml",
    "project": "runs/ and models/ are laid out by dvc.yaml",
    "name": "runs/ and models/ are laid out by dvc.yaml",
    "exist_ok": "runs/ and models/ are laid out by dvc.yaml",
    "split": "training validates on val; set validate.splits for the table",
    "cfg": "write the arguments out under train",
    "single_cls": "the table compares models of the data's own classes; change the data yaml",
    "classes": "the table compares models of all classes of the data; change the data yaml",
}
"""Arguments that kdpipe sets itself, each with what to do instead."""


@cache
def ultralytics_arguments() -> dict[str, Any]:
    """All arguments and defaults from the installed Ultralytics' default.yaml, read without importing
    Ultralytics.

    Raises:
        KdpipeError: if Ultralytics is not installed.
    """
    spec = find_spec("ultralytics")
    if spec is None or not spec.submodule_search_locations:
        raise KdpipeError(
            "ultralytics is not installed; run `pip install kdpipe` (in a clone: `make install`)"
        )
    defaults = OmegaConf.load(Path(spec.submodule_search_locations[0]) / "cfg" / "default.yaml")
    return {str(key): value for key, value in defaults.items()}


def whole_number(arguments: Mapping[str, Any], name: str) -> int:
    """Return a train argument that is a whole number, such as `epochs`: Ultralytics' default if not given."""
    return int(str(arguments.get(name, ultralytics_arguments()[name])))


def as_it_is(arguments: Mapping[str, Any]) -> bool:
    """Whether train arguments ask to use the weights without training (`epochs: 0`)."""
    return bool(arguments.get("epochs") == 0)


def argument_problems(arguments: Mapping[str, Any], key: str) -> Iterator[ParamsError]:
    """Check train arguments: unknown to Ultralytics, set by kdpipe, or unfair to one model of a pair.

    `key` is the place of the arguments in params.yaml, such as `train`.
    """
    for name in arguments:
        if name in OWNED:
            yield ParamsError(f"{key}.{name}", f"kdpipe sets it; {OWNED[name]}")
        elif name not in ultralytics_arguments():
            known = sorted(ultralytics_arguments().keys() - OWNED.keys())
            hint = did_you_mean(str(name), known, otherwise="see Ultralytics' train settings")
            yield ParamsError(f"{key}.{name}", f"no train argument of Ultralytics; {hint}")
    for name, value in arguments.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield ParamsError(f"{key}.{name}", f"{value} is no number to train with")
        elif name in TRAIN:
            yield from limit_problems(f"{key}.{name}", value, TRAIN[name])
    imgsz = arguments.get("imgsz", 640)
    if type(imgsz) is not int:
        yield ParamsError(
            f"{key}.imgsz", f"{imgsz!r}: write the side of the images, a whole number of pixels"
        )
    yield from _choices(arguments, key)
    batch = arguments.get("batch", 1)
    if type(batch) is not int or batch < 1:
        yield ParamsError(
            f"{key}.batch",
            f"{batch!r} lets each training choose, the baseline another batch than the distilled student; "
            "write a whole number (if it is too much for the memory, the training says what fits)",
        )
    yield from _freeze(arguments.get("freeze"), f"{key}.freeze")
    if arguments.get("quantize") is not None:
        yield from _quantize(arguments["quantize"], key)
    if "device" in arguments:
        yield from _device(arguments["device"], f"{key}.device")


def _quantize(value: object, key: str) -> Iterator[ParamsError]:
    if not key.startswith("students."):
        yield ParamsError(
            f"{key}.quantize",
            "teachers are trained in floating point, which is what they teach best; write it under "
            "students.NAME.train",
        )
    elif type(value) is not int or value != INT8:
        yield ParamsError(
            f"{key}.quantize", f"{value!r}: Ultralytics trains with INT8 only; write {INT8}, or remove it"
        )


def _choices(arguments: Mapping[str, Any], key: str) -> Iterator[ParamsError]:
    """Check texts that Ultralytics notices late, or takes for something else without a word."""
    for name, options in CHOICES.items():
        value = arguments.get(name, False)
        if name == "cache" and str(value).lower() == "disk":
            problem = f"{value} would write into DVC's copy of the data; take ram or false"
            yield ParamsError(f"{key}.{name}", problem)
        elif not isinstance(value, bool) and str(value).lower() not in map(str.lower, options):
            bare = str(value).lower() in ("true", "false")
            hint = f"write {value} without quotes" if bare else did_you_mean(str(value), options)
            yield ParamsError(f"{key}.{name}", f"{str(value)!r}: {hint}")


def _freeze(freeze: object, key: str) -> Iterator[ParamsError]:
    """Check the form only: Ultralytics freezes nothing if it has another, and says nothing."""
    if freeze is None:
        return
    entries, kinds = (freeze, (int, str)) if isinstance(freeze, list) else ([freeze], (int,))
    if not all(isinstance(entry, kinds) and LAYER.fullmatch(str(entry)) for entry in entries):
        remedy = "write how many of the first layers to freeze, or a list of layers such as [0, 1, 23.cv2]"
        yield ParamsError(key, f"{freeze!r}: {remedy}")


def _device(wanted: object, key: str) -> Iterator[ParamsError]:
    names = device_names(wanted)
    remedy = "write auto (the first GPU, or else the CPU), cpu, the number of a GPU, or a list such as [0, 1]"
    unknown = next((name for name in names if not DEVICE.fullmatch(name)), None)
    if unknown is not None or not names:
        yield ParamsError(key, f"{wanted if unknown is None else unknown!r} is no device; {remedy}")
    elif len(names) > 1 and not all(name.isdigit() for name in names):
        yield ParamsError(key, f"{', '.join(names)}: only GPUs can be several; {remedy}")
    elif len(set(names)) < len(names):
        yield ParamsError(key, f"{', '.join(names)} names a GPU twice")


def device_names(wanted: object) -> list[str]:
    """Split a device value into single devices: `"0,1"` and `[0, 1]` are two, an empty value is `auto`.

    `cuda` and `cuda:1` are other names of the GPUs 0 and 1.
    """
    if wanted in (None, ""):
        return [AUTO]
    names = wanted if isinstance(wanted, (list, tuple)) else str(wanted).split(",")
    return [_device_name(str(name).strip().lower()) for name in names]


def _device_name(name: str) -> str:
    return "0" if name == "cuda" else name.removeprefix("cuda:")
