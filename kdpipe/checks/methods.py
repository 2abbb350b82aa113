"""Check the distillation method of a pair: its name, its options, and what student and teacher must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.models.entries import architecture, candidates, train_arguments
from kdpipe.models.methods import DECAYS, METHODS, O2M, STOP, Method
from kdpipe.models.names import DEFAULT_IMGSZ, END_TO_END_FAMILIES, ModelName
from kdpipe.params.arguments import as_it_is
from kdpipe.params.schema import Model, Pair, Params
from kdpipe.paths import pull_hint, resolve

PARTS = 2  # of features+predictions
MOST_BETA = 10.0
RATIOS = (0.25, 0.5, 1, 2, 4)  # of image sizes at which strides 8, 16 and 32 meet
STRIDE = 32
SAFE = ".safetensors"


def check_backbone(key: str, model: Model) -> None:
    """Check an entry whose model is a pretrained backbone of timm.

    Raises:
        ParamsError: if it is a student, is to be trained, or its weights are not a .safetensors file.
    """
    if not key.startswith("teachers."):
        raise ParamsError(f"{key}.model", f"{model.model} has no head; it can only be a teacher")
    if not as_it_is(model.train):
        raise ParamsError(f"{key}.train.epochs", f"{model.model} is used as it is: write 0")
    path = resolve(str(model.init))
    if path.suffix != SAFE or not path.is_file():
        raise ParamsError(
            f"{key}.init",
            f"{model.init!r} is not an existing {SAFE} file; download the one that timm publishes for "
            f"{model.model}{pull_hint(path)}",
        )


def method_problems(key: str, pair: Pair, params: Params) -> Iterator[ParamsError]:
    """Yield what is wrong with the method of a pair and its options.

    Args:
        key: The pair in params.yaml, such as `pairs.n-s`.
        pair: The pair, of a student that exists.
        params: All of params.yaml.
    """
    entry = params.students[pair.student]
    student, method = architecture(pair.student, entry), METHODS.get(pair.method)
    if method is None:
        yield ParamsError(f"{key}.method", f"{pair.method!r}: {did_you_mean(pair.method, METHODS)}")
        return
    if student.family not in method.families:
        good = [name for name, other in METHODS.items() if student.family in other.families]
        yield ParamsError(
            f"{key}.method",
            f"{pair.method} compares {method.about}, which {student.family} does not predict; "
            f"choose from {', '.join(good)}",
        )
    yield from _teachers(key, pair, method, params)
    yield from _options(key, pair, method)
    if pair.teacher_imgsz is not None:
        arguments = train_arguments(params, entry)
        yield from _teacher_imgsz(f"{key}.teacher_imgsz", pair.teacher_imgsz, method, arguments)
    yield from _decay(f"{key}.decay", pair.decay, student)


def _teachers(key: str, pair: Pair, method: Method, params: Params) -> Iterator[ParamsError]:
    """Whether the teachers, as far as they exist, are of the kind that the method compares with."""
    entries = {name: params.teachers[name] for name in candidates(params, pair) if name in params.teachers}
    backbones = {name for name, model in entries.items() if architecture(name, model).backbone}
    if backbones and not method.backbone:
        good = [name for name, other in METHODS.items() if other.backbone]
        yield ParamsError(
            f"{key}.method", f"{pair.method} needs predictions, {min(backbones)} has none; write {good[0]}"
        )
    elif method.backbone and (others := entries.keys() - backbones):
        yield ParamsError(
            f"{key}.teacher", f"{pair.method} needs a pretrained backbone of timm, {min(others)} is none"
        )
    if backbones and isinstance(pair.teacher, list) and len(pair.teacher) > 1:
        yield ParamsError(
            f"{key}.teacher",
            f"{min(backbones)} has no AP by which the best could be chosen; name one, or {{all: [...]}}",
        )


def _options(key: str, pair: Pair, method: Method) -> Iterator[ParamsError]:
    for option in ("beta", "weights"):
        if getattr(pair, option) is not None and option not in method.options:
            good = [name for name, other in METHODS.items() if option in other.options]
            yield ParamsError(f"{key}.{option}", f"{pair.method} has none; only {', '.join(good)} have it")
    if pair.beta is not None and not 0 <= pair.beta <= MOST_BETA:
        yield ParamsError(f"{key}.beta", f"{pair.beta!r}: write a number from 0 to {MOST_BETA:g}")
    weights = pair.weights
    if weights is not None and (len(weights) != PARTS or not all(0 <= one < float("inf") for one in weights)):
        yield ParamsError(f"{key}.weights", f"{weights}: write two numbers, of features and predictions")


def _teacher_imgsz(
    key: str, given: int, method: Method, arguments: Mapping[str, object]
) -> Iterator[ParamsError]:
    """Check the teacher's image size against the train arguments of the student."""
    imgsz = arguments.get("imgsz", DEFAULT_IMGSZ)
    if not isinstance(imgsz, int):  # which is a mistake that another check finds
        return
    if method.backbone:
        if given < STRIDE:
            yield ParamsError(key, f"{given}: write at least {STRIDE}")
        return
    good = [int(imgsz * ratio) for ratio in RATIOS if imgsz * ratio % STRIDE == 0]
    if given not in good:
        yield ParamsError(
            key,
            f"{given}: no level of the teacher's neck has the grid of one of the student's at imgsz {imgsz}; "
            f"choose from {', '.join(map(str, good))}",
        )
    elif given < imgsz and arguments.get("multi_scale"):
        yield ParamsError(
            key, f"{given}: with multi_scale, images would shrink to no whole number of cells; write {imgsz}"
        )


def _decay(key: str, decay: object, student: ModelName) -> Iterator[ParamsError]:
    choices = f"{', '.join(DECAYS)} or {{{STOP}: 0.7}}"
    if isinstance(decay, dict):
        share = decay.get(STOP)
        good = isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1
        if list(decay) != [STOP] or not good:
            yield ParamsError(
                key, f"{decay}: write {choices}; {STOP} is a share of the epochs, above 0 and up to 1"
            )
    elif decay not in DECAYS:
        yield ParamsError(key, f"{decay!r}: write {choices}")
    elif decay == O2M and student.family not in END_TO_END_FAMILIES:
        yield ParamsError(
            key, f"{student.family} has no one-to-many branch beside another; write another decay"
        )
