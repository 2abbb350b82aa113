"""params.yaml as written, before conversion to dataclasses: DVC reads the same raw values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from kdpipe.errors import ParamsError
from kdpipe.params.yaml_text import Scalar, YamlError, compose, differing, is_text, scalars

# Keys that have a default but must be written, because dvc.yaml refers to them; each with an example.
NAMED_BY_DVC = {
    "data.task": "task: detect",
    "sweep.paired": "paired: []",
    "confirm": "confirm: {pairs: {}, students: [], paired: [], seeds: []}",
    "confirm.pairs": "pairs: {}",
    "confirm.students": "students: []",
    "confirm.paired": "paired: []",
    "confirm.seeds": "seeds: []",
    "train.imgsz": "imgsz: 640",
    "validate.splits": "splits: [val, test]",
    "evaluate": "evaluate: {resamples: 1000}",
    "export": "export: {formats: []}",
    "export.formats": "formats: []",
    "tracking": "tracking: {experiment: kdpipe}",
}
SECTIONS = ("data", "sweep", "confirm", "train", "validate", "evaluate", "export", "tracking")
LONGEST_PART = 255  # bytes of the name of a file
# A name of a student, a teacher or a pair. One with other characters is refused when names are checked.
NAMED = re.compile(r"(students|teachers|pairs)\.[A-Za-z0-9][A-Za-z0-9_-]*")


def read(path: Path, keys: Iterable[str]) -> DictConfig:
    """Read the file, and check that it is a mapping of plain values, with mappings where DVC iterates over
    keys.

    Args:
        path: The params file.
        keys: Known top-level keys, for the error message.

    Raises:
        ParamsError: if the file is missing, is not YAML, or has another structure.
    """
    raw: object
    try:
        compose(path)
        raw = OmegaConf.load(path)
    except FileNotFoundError:
        raise ParamsError("(file)", f"not found in {path.parent.resolve()}") from None
    except YamlError as error:
        raise ParamsError("(file)", str(error)) from error
    except OSError:  # OmegaConf raises it for a file with only a number or a word
        raw = None
    except Exception as error:
        raise ParamsError("(file)", f"not readable as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, DictConfig):
        raise ParamsError("(file)", "must be a mapping with the keys " + ", ".join(keys))
    _refuse_text(raw)
    _require_mappings(raw)
    return raw


def unlike_values(path: Path) -> Iterator[ParamsError]:
    """Report what YAML 1.1 and 1.2 read differently: DVC would see other values than kdpipe.

    Names of students, teachers and pairs must be text even without quotes, because DVC writes them without
    when it changes the file.
    """
    node = compose(path)
    for scalar in scalars(node) if node is not None else ():
        if scalar.is_key and NAMED.fullmatch(scalar.key):
            if not is_text(scalar.text):
                yield _no_name(scalar)
        elif problem := differing(scalar):
            yield ParamsError(scalar.key, problem)


def _no_name(scalar: Scalar) -> ParamsError:
    kind = scalar.key.partition("s.")[0]
    return ParamsError(
        scalar.key,
        f"YAML takes {scalar.text} for a number, a date or a truth value; "
        f"write a name such as {kind}-{scalar.text}",
    )


def _refuse_text(raw: DictConfig) -> None:
    def walk(node: object, key: str) -> Iterator[tuple[str, object]]:
        if isinstance(node, dict):
            for name, value in node.items():
                yield from walk(value, f"{key}.{name}" if key else str(name))
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from walk(value, f"{key}[{index}]")
        else:
            yield key, node

    for key, value in walk(OmegaConf.to_container(raw, resolve=False), ""):
        if isinstance(value, str) and (problem := _text_problem(key, value)):
            raise ParamsError(key, problem)


def _text_problem(key: str, text: str) -> str | None:
    if "${" in text:
        return f"{text!r} must be written out: DVC reads the values as they are"
    try:
        longest = max(len(part.encode()) for part in text.split("/"))
    except UnicodeEncodeError as error:
        return f"{text!r} has half a character ({text[error.start]!a}); write the whole one"
    # An address of a server may have a long password.
    if longest > LONGEST_PART and not key.startswith("tracking."):
        return f"a name of {longest} bytes, and a file's has at most {LONGEST_PART}; write a shorter one"
    return None


def _require_mappings(raw: DictConfig) -> None:
    examples = {
        "students": "{yolo26n: {init: scratch}}",
        "teachers": "{yolo26s: {init: scratch}}",
        "pairs": "{n-s: {student: yolo26n, teacher: yolo26s}}",
    }
    for axis, example in examples.items():
        entries = raw.get(axis, {})
        entry_values = entries.values() if isinstance(entries, DictConfig) else [None]
        if not all(isinstance(value, DictConfig) for value in entry_values):
            raise ParamsError(axis, f"must map names to mappings, such as {example}")
    for section in SECTIONS:
        if not isinstance(raw.get(section), DictConfig | None):
            raise ParamsError(section, "must be a mapping of keys to values")


def missing_names(raw: DictConfig) -> Iterator[ParamsError]:
    """Report keys that DVC needs and the file does not have, each with an example."""
    missing = [key for key in NAMED_BY_DVC if OmegaConf.select(raw, key) is None]
    for key, example in NAMED_BY_DVC.items():
        if key in missing and key.rpartition(".")[0] not in missing:
            yield ParamsError(key, f"missing; DVC reads it from here, so write it out: {example}")
