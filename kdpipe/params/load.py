"""Read params.yaml into its dataclasses, if it is good by itself."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from kdpipe.errors import ParamsError, did_you_mean
from kdpipe.params.raw import read, require_named
from kdpipe.params.schema import PARAMS_FILE, SPLITS, Evaluate, Params, Sweep, Validate

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
FEWEST_RESAMPLES = 100


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
