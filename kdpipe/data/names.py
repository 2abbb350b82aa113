"""Class names of a data yaml: what is read must be what is written."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kdpipe.errors import DataError, counted
from kdpipe.params.yaml_text import NUMBER_IN_DISGUISE, Scalar, YamlError, compose, load, scalars, value_of

MOST_VALUES = 200_000  # of a data yaml, aliases written out
FEW = 3  # names that are listed in a message
WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")


def read_fields(yaml: Path) -> dict[str, Any]:
    """Read a data yaml as Ultralytics reads it.

    Raises:
        DataError: if it is no data yaml, or YAML reads a class name or a number as
            something else than what is written.
    """
    try:
        fields = load(yaml, MOST_VALUES)
        node = compose(yaml, MOST_VALUES)
    except YamlError as error:
        raise DataError(f"{yaml}: {error}") from error
    except OSError as error:
        raise DataError(f"{yaml}: cannot be read: {error.strerror}") from error
    if not isinstance(fields, dict) or "names" not in fields:
        raise DataError(f"{yaml}: no data yaml: it needs train, val and names")
    assert node is not None
    written = list(scalars(node))
    _refuse_names(yaml, [scalar for scalar in written if _is_name(scalar)])
    for scalar in written:
        if problem := _disguised(scalar):
            raise DataError(f"{yaml}: {scalar.key}: {problem}")
    return fields


def _disguised(scalar: Scalar) -> str | None:
    """What is wrong with a number that YAML 1.1 reads to another base than 10."""
    if scalar.kind not in ("int", "float") or not NUMBER_IN_DISGUISE.fullmatch(scalar.text):
        return None
    value = value_of(scalar.text)
    written = "" if ":" in scalar.text else str(int(scalar.text.replace("_", "")))
    if written == str(value):
        return None
    return f"YAML reads {scalar.text} as {value}; write {written or repr(scalar.text)} or {value}"


def _is_name(scalar: Scalar) -> bool:
    """Whether it is one of the class names: the values of a list, or of a mapping from class ids."""
    return not scalar.is_key and re.fullmatch(r"names(\[\d+\]|\.[^.\[]*)", scalar.key) is not None


def _refuse_names(yaml: Path, names: list[Scalar]) -> None:
    wrong = dict(_misread(names))
    if wrong:
        listed = ", ".join(f"{text or 'nothing'} as {value}" for text, value in list(wrong.items())[:FEW])
        quoted = ", ".join(f"'{text}'" if text else "a name" for text in list(wrong)[:FEW])
        more = f" and {len(wrong) - FEW} more" if len(wrong) > FEW else ""
        raise DataError(f"{yaml}: names: YAML reads {listed}{more}; write quotes: {quoted}")


def _misread(names: list[Scalar]) -> Iterator[tuple[str, object]]:
    """Names that are neither text nor plain whole numbers, and what YAML reads in their place."""
    for name in names:
        if name.kind != "str" and not (name.kind == "int" and WHOLE_NUMBER.fullmatch(name.text)):
            yield name.text, "a date" if name.kind == "timestamp" else value_of(name.text)


def has_controls(name: str) -> bool:
    """Whether a name has control characters or halves of characters, which no table or page can hold."""
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in name)


def class_names(yaml: Path, fields: Mapping[str, Any]) -> dict[int, str]:
    """Class names by class id.

    Raises:
        DataError: if there are none, two are equal, or class ids have gaps.
    """
    names = fields["names"]
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(str(index).isdigit() for index in names):
        raise DataError(f"{yaml}: names: write a list, or a mapping such as {{0: cat, 1: dog}}")
    if lists := [name for name in names.values() if isinstance(name, list | dict)]:
        raise DataError(f"{yaml}: names: {lists[0]} is no name; write one text per class")
    named = {int(index): str(names[index]) for index in sorted(names, key=int)}
    if not all(name.strip() for name in named.values()):
        raise DataError(f"{yaml}: names: a class has an empty name")
    if unseen := [name for name in named.values() if has_controls(name)]:
        raise DataError(f"{yaml}: names: {unseen[0]!r} has characters that cannot be shown; write others")
    if twice := [name for name, times in Counter(named.values()).items() if times > 1]:
        raise DataError(f"{yaml}: names: more than one class is called {twice[0]}")
    if list(named) != list(range(len(named))) or not named:
        raise DataError(f"{yaml}: names: class ids must run from 0 without gaps; found {list(named)}")
    if fields.get("nc", len(named)) != len(named):
        raise DataError(f"{yaml}: nc: {fields['nc']}, but {counted(len(named), 'name')}; write {len(named)}")
    return named
