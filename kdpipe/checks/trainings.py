"""Checks of train arguments against the model of each training and the number of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from kdpipe.checks.prepared import prepared
from kdpipe.data import shipped
from kdpipe.data.prepare import EMBEDDED, open_source, source_changed
from kdpipe.environment import QUANTIZING, versions_of
from kdpipe.errors import KdpipeError, ParamsError, counted, raised
from kdpipe.models.layer_count import layer_count
from kdpipe.models.start_weights import Source, all_sources
from kdpipe.params.arguments import AUTO, device_names
from kdpipe.params.schema import SCRATCH, Params

ALWAYS_THERE = ({AUTO}, {"cpu"})


def training_problems(params: Params) -> list[KdpipeError]:
    """Find train arguments with which Ultralytics cannot train, or trains something else; one per key.

    Some need the number of training images, and are not checked before it is known.
    """
    images = cache(lambda: images_in(params, "train"))
    found: dict[str, KdpipeError] = {}
    for source in all_sources(params):
        if source.as_it_is:
            continue
        checks = (
            _frozen(source),
            _too_few(source, images),
            _single_value(source, images),
            _quantized(source),
        )
        for problem in checks:
            if problem is not None:
                found.setdefault(problem.key, problem)
    return list(found.values())


def missing_devices(params: Params) -> list[KdpipeError]:
    """Find devices in params.yaml that this machine does not have."""
    places = {"train": params.train}
    for axis in ("students", "teachers"):
        places |= {f"{axis}.{name}.train": model.train for name, model in getattr(params, axis).items()}
    named = {key: values for key, values in places.items() if "device" in values}
    problems: list[KdpipeError] = []
    for key, values in named.items():
        if set(device_names(values["device"])) not in ALWAYS_THERE:  # else PyTorch need not be imported
            from kdpipe.yolo.device import check_device

            problems += raised(check_device, values, f"{key}.device")
    return problems


def images_of(source: Source, params: Params) -> int | None:
    """The number of images that a training trains on; None if it is not known."""
    images = images_in(params, "train")
    return None if images is None else _used(_fraction(source), images)


def images_in(params: Params, split: str) -> int | None:
    """The number of images of a split; None if it is not known, or has changed since they were prepared."""
    data = params.data
    if data.source == EMBEDDED:
        return int(getattr(data.digits, split))
    if manifest := prepared(data):
        return None if source_changed(data) else manifest.splits[split].images
    if shipped.find(data.source):  # it would be downloaded
        return None
    try:
        return len(open_source(data).splits[split])
    except (KdpipeError, KeyError):  # what is wrong with the data is told by its own check
        return None


def _frozen(source: Source) -> ParamsError | None:
    """Check that `freeze` names layers of the model, and not all of them."""
    freeze, layers = source.arguments.get("freeze"), layer_count(source.architecture)
    if not freeze or layers is None:
        return None
    model, last = source.architecture, layers - 1
    numbers = [int(str(entry).split(".")[0]) for entry in (freeze if isinstance(freeze, list) else ())]
    wrong = next((number for number in numbers if number > last), None)
    if wrong is not None:
        return _error(source, "freeze", f"{wrong} is no layer of {model}, which has 0 to {last}")
    whole = set(freeze) >= set(range(layers)) if isinstance(freeze, list) else int(str(freeze)) > last
    if whole:
        who = "the list" if isinstance(freeze, list) else freeze
        return _error(source, "freeze", f"{who} freezes all {layers} layers of {model}; write at most {last}")
    return None


def _too_few(source: Source, count: Callable[[], int | None]) -> ParamsError | None:
    """Check that `fraction` is a part of the images: Ultralytics takes one image, or all, without a word."""
    images = count() if "fraction" in source.arguments else None
    if images is None:
        return None
    fraction, known = _fraction(source), counted(images, "training image")
    if _used(fraction, images) < 1:
        return _error(source, "fraction", f"{fraction} of {known} is not even one; write a larger share")
    if _used(fraction, images) > images:
        return _error(source, "fraction", f"{fraction} of {known} are too many; write 1.0 for all")
    return None


def _single_value(source: Source, count: Callable[[], int | None]) -> ParamsError | None:
    """Check that no batch is one image with one cell of features: its normalisation would divide by zero."""
    arguments = source.arguments
    stride = source.architecture.stride
    whole = max(math.ceil(source.imgsz / stride), 1) * stride
    shrunk = int(whole * (1 - float(arguments.get("multi_scale", 0))))  # type: ignore[arg-type]
    smallest = max(stride, shrunk // stride * stride)
    if smallest >= 2 * stride:
        return None
    processes, images = len(device_names(arguments.get("device"))), count()
    batch = max(int(str(arguments.get("batch", 16))) // processes, 1)
    used = None if images is None else math.ceil(_used(_fraction(source), images) / processes)
    if batch > 1 and (used is None or used % batch != 1):
        return None
    how = f"a last batch of one image ({used} images, batch {batch})" if batch > 1 else "a batch of one image"
    return _error(
        source,
        "imgsz",
        f"{how} of {smallest} pixels is a single value in the last layers of {source.architecture}, "
        f"which cannot be normalised; write at least {2 * stride} (more with multi_scale), or another batch",
    )


def _quantized(source: Source) -> ParamsError | None:
    """Check that a training can simulate INT8, and that it begins with weights that have learned."""
    if not source.arguments.get("quantize"):
        return None
    if source.init == SCRATCH:
        return _error(
            source,
            "quantize",
            "the ranges of the integers are measured once, before the first epoch, and random weights have "
            "none; write init: released, a path or {from: TEACHER}",
        )
    if source.arguments.get("compile"):
        return _error(source, "quantize", "Ultralytics cannot compile such a training; write compile: false")
    if missing := [package for package in QUANTIZING if package not in versions_of(QUANTIZING)]:
        install = " ".join(missing)
        return _error(source, "quantize", f"it needs {' and '.join(missing)}; run `pip install {install}`")
    return None


def _fraction(source: Source) -> int | float:
    fraction = source.arguments.get("fraction", 1.0)
    first = fraction[0] if isinstance(fraction, list) else fraction
    return first if isinstance(first, int | float) else 1.0


def _used(fraction: int | float, images: int) -> int:
    """How many images Ultralytics trains on: a number above 1 counts them, others are a share."""
    return fraction if isinstance(fraction, int) and fraction > 1 else round(images * fraction)


def _error(source: Source, name: str, problem: str) -> ParamsError:
    """The error for an argument at the place in params.yaml where it is written."""
    own = source.key.rpartition(".")[0]
    return ParamsError(f"{own}.train.{name}" if name in source.model.train else f"train.{name}", problem)
