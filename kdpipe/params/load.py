"""Read params.yaml into its dataclasses, with all checks that need no other file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from kdpipe.errors import KdpipeError, ParamsError, did_you_mean, raise_all
from kdpipe.params.limits import SECTIONS, limit_problems
from kdpipe.params.raw import missing_names, read, unlike_values
from kdpipe.params.schema import (
    FROM,
    PARAMS_FILE,
    RELEASED,
    SCRATCH,
    SPLITS,
    Evaluate,
    Params,
    Sweep,
    Validate,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
FEWEST_RESAMPLES = 100


def load(path: Path | str = PARAMS_FILE) -> Params:
    """Read params.yaml, and check its keys, types, values and names.

    Raises:
        KdpipeError: lists every problem with its key and what to write instead.
    """
    params, problems = read_params(Path(path))
    raise_all(problems)
    assert params is not None
    return params


def read_params(path: Path) -> tuple[Params | None, list[KdpipeError]]:
    """Read params.yaml, and collect every problem that can be seen without other files.

    Returns:
        The params, or None if a value is missing or has a wrong type.
        The problems.

    Raises:
        ParamsError: if the file does not exist, or is not a mapping of plain values.
    """
    raw = read(path, _keys(Params))
    unlike = list(unlike_values(path))
    problems: list[KdpipeError] = [*unlike, *missing_names(raw), *_remove_unknown(raw, Params)]
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Params), raw)
        OmegaConf.to_container(merged, throw_on_missing=True)
        params = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        sentence = _sentence(error)
        named = [problem.key for problem in problems if isinstance(problem, ParamsError)]
        if not unlike and not any(key == sentence.key or key.startswith(f"{sentence.key}.") for key in named):
            problems.append(sentence)
        return None, problems
    assert isinstance(params, Params)
    problems += _names(params)
    if wrong := list(_inits(params)):
        return None, [*problems, *wrong]
    problems += _limits(params)
    problems += _sweep(params.sweep)
    problems += _validate(params.validate)
    problems += _evaluate(params.evaluate)
    return params, problems


def _remove_unknown(raw: DictConfig, schema: Any, key: str = "") -> Iterator[ParamsError]:
    """Remove keys that the dataclass does not have, and suggest a known key for each."""
    kinds = get_type_hints(schema)
    for name in list(raw):
        word = str(name)  # YAML keys may be numbers
        if word not in kinds:
            del raw[name]
            yield ParamsError(f"{key}{word}", f"unknown key; {did_you_mean(word, _keys(schema))}")
            continue
        kind, value = kinds[word], raw[name]
        of_each = next((found for found in get_args(kind) if is_dataclass(found)), None)
        if is_dataclass(kind) and isinstance(value, DictConfig):
            yield from _remove_unknown(value, kind, f"{key}{word}.")
        elif of_each and isinstance(value, DictConfig):
            for entry, its_value in value.items():
                yield from _remove_unknown(its_value, of_each, f"{key}{word}.{entry!s}.")


def _sentence(error: OmegaConfBaseException) -> ParamsError:
    """Translate an OmegaConf error into a message for the user."""
    key = str(getattr(error, "full_key", None) or "(file)")
    first_line = str(error).split("\n")[0]
    if "Missing mandatory value" in first_line:
        return ParamsError(key, "missing; write a value")
    return ParamsError(key, f"wrong type: {first_line}")


def _keys(dataclass_type: Any) -> list[str]:
    return [item.name for item in fields(dataclass_type)]


def _names(params: Params) -> Iterator[ParamsError]:
    for axis in ("students", "teachers", "pairs"):
        entries = getattr(params, axis)
        if not entries:
            yield ParamsError(axis, "empty; name at least one")
        for name in entries:
            if not NAME.fullmatch(str(name)):
                yield ParamsError(
                    f"{axis}.{name}",
                    "use letters, digits, '_' and '-', at most 100: DVC and folders are named after it",
                )


def _inits(params: Params) -> Iterator[ParamsError]:
    for axis in ("students", "teachers"):
        for name, model in getattr(params, axis).items():
            mapping = isinstance(model.init, dict) and list(model.init) == [FROM]
            if not isinstance(model.init, str) and not (axis == "students" and mapping):
                more = f" or {{{FROM}: TEACHER}}" if axis == "students" else ""
                yield ParamsError(
                    f"{axis}.{name}.init", f"{model.init!r}: write {SCRATCH}, {RELEASED}, a path{more}"
                )


def _limits(params: Params) -> Iterator[ParamsError]:
    for key, limits in SECTIONS.items():
        value = attrgetter(key)(params)
        for number in value if isinstance(value, list) else [value]:
            yield from limit_problems(key, number, limits)


def _sweep(sweep: Sweep) -> Iterator[ParamsError]:
    for dis in sweep.dis:
        number = isinstance(dis, int | float) and not isinstance(dis, bool)
        if not number or not 0 < dis < float("inf"):
            yield ParamsError("sweep.dis", f"{dis!r} is no weight of a loss; write a number above 0")
    for axis, values in (("dis", sweep.dis), ("seeds", sweep.seeds)):
        if not values:
            yield ParamsError(f"sweep.{axis}", "empty; write at least one value, such as [1]")
        if any(values.count(value) > 1 for value in values):
            yield ParamsError(f"sweep.{axis}", f"{values} names a value twice")


def _validate(validate: Validate) -> Iterator[ParamsError]:
    if not validate.splits:
        yield ParamsError("validate.splits", "empty; write at least [val]")
    for split in validate.splits:
        if split not in SPLITS:
            yield ParamsError("validate.splits", f"{split!r}: {did_you_mean(split, SPLITS)}")
    if len(set(validate.splits)) < len(validate.splits):
        yield ParamsError("validate.splits", f"{validate.splits} names a split twice")


def _evaluate(evaluate: Evaluate) -> Iterator[ParamsError]:
    if evaluate.resamples < FEWEST_RESAMPLES:
        yield ParamsError(
            "evaluate.resamples", f"{evaluate.resamples} say nothing; write at least {FEWEST_RESAMPLES}"
        )
