"""YAML that users write: aliases are bounded, and each value must mean the same in YAML 1.1 and 1.2.

OmegaConf, PyYAML and so Ultralytics read YAML 1.1; DVC reads YAML 1.2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from ruamel.yaml import YAML

MOST_VALUES = 20_000  # of params.yaml, aliases written out
# Octal numbers and numbers to the base 60, which look like others.
NUMBER_IN_DISGUISE = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """PyYAML's, which takes 1e-3 for text where OmegaConf, DVC and people see a number."""


class _Dumper(yaml.SafeDumper):
    """The same for writing: text that looks like 1e-3 is put into quotes."""


for _each in (_Loader, _Dumper):
    _each.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+0123456789"))


class YamlError(ValueError):
    """A text that is no YAML, or YAML that is not read; the message is half a sentence."""


@dataclass(frozen=True)
class Scalar:
    """A single value of a YAML text.

    Attributes:
        key: Its place, such as `sweep.seeds[0]`.
        text: What is written there, without quotes.
        kind: What YAML 1.1 takes it for, such as `str` or `int`.
        plain: Whether it is written without quotes, so that its kind depends on the text.
        is_key: Whether it is the key of a mapping and not a value.
    """

    key: str
    text: str
    kind: str
    plain: bool
    is_key: bool = False


def compose(path: Path, most: int = MOST_VALUES) -> yaml.Node | None:
    """Parse a YAML file without making values of it.

    Args:
        path: The file.
        most: Number of values above which the file is refused: a few lines of aliases can stand for billions.

    Returns:
        The tree of nodes; None for an empty file.

    Raises:
        YamlError: if the file is no YAML, or too much.
        OSError: if it cannot be read.
    """
    try:
        node = yaml.compose(path.read_bytes(), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise YamlError(f"not readable as YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise YamlError("not readable as YAML: nested too deeply") from error
    if node is not None and _count(node, {}) > most:
        raise YamlError(f"its aliases (*name) stand for more than {most} values; write out what is meant")
    return node


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Number of values with all aliases written out; `known` has None for nodes that are being counted."""
    if id(node) not in known:
        known[id(node)] = None
        known[id(node)] = 1 + sum(_count(child, known) for child in _children(node))
    total = known[id(node)]
    if total is None:
        raise YamlError("an alias (*name) stands for a value that contains it; write out what is meant")
    return total


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def value_of(text: str | bytes) -> Any:
    """Values of a YAML text, without any check."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a SafeLoader


def load(path: Path, most: int) -> Any:
    """Values of a YAML file as PyYAML reads them, and so Ultralytics.

    Args:
        path: The file.
        most: Number of values above which the file is refused.

    Raises:
        YamlError: if the file is no YAML, names a key twice, or is too much.
        OSError: if it cannot be read.
    """
    node = compose(path, most)
    if node is None:
        return None
    _refuse_repeated_keys(node, set())
    try:
        return value_of(path.read_bytes())
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(f"not readable as YAML: {' '.join(str(error).split())}") from error


def _refuse_repeated_keys(node: yaml.Node, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, times in keys.items() if times > 1 and key != "<<"]:
            raise YamlError(f"the key {twice[0]} is written twice; keep one")
    for child in _children(node):
        _refuse_repeated_keys(child, seen)


def dump(content: Any) -> str:
    """YAML of plain values, which PyYAML and so Ultralytics reads back as they are."""
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def scalars(node: yaml.Node, key: str = "") -> Iterator[Scalar]:
    """All keys and single values below a node; `key` is the node's own place."""
    if isinstance(node, yaml.ScalarNode):
        yield _scalar(key, node)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from scalars(child, f"{key}[{index}]")
    elif isinstance(node, yaml.MappingNode):
        for name, child in node.value:
            text = name.value if isinstance(name, yaml.ScalarNode) else "?"
            its_key = f"{key}.{text}" if key else text
            if isinstance(name, yaml.ScalarNode):
                yield _scalar(its_key, name, is_key=True)
            yield from scalars(child, its_key)


def _scalar(key: str, node: yaml.ScalarNode, *, is_key: bool = False) -> Scalar:
    return Scalar(key, node.value, node.tag.rpartition(":")[2], plain=node.style is None, is_key=is_key)


def differing(scalar: Scalar) -> str | None:
    """What YAML 1.1 and 1.2 make of a value, and what to write; None if it is the same."""
    if not scalar.plain or _plain_text(scalar.text):
        return None
    ours, theirs = _read(scalar.text)
    if repr(ours) == repr(theirs):
        return None
    options = [spelt for value in (ours, theirs) if (spelt := _spelt(value)) is not None]
    return (
        f"{scalar.text} is {_told(ours)} in YAML 1.1, which kdpipe reads, and {_told(theirs)} in YAML 1.2, "
        f"which DVC reads; write {' or '.join(options)}"
    )


def is_text(text: str) -> bool:
    """Whether YAML 1.1 and 1.2 both read a text as this text, even without quotes."""
    return _plain_text(text) or _read(text) == (text, text)


def _plain_text(text: str) -> bool:
    """Whether a text is surely read as text: a quick answer for most, and the only one for what is written in
    several lines or is an interpolation.
    """
    return "\n" in text or "${" in text or text in ("=", "<<") or (len(text) > 5 and text.isalpha())  # noqa: PLR2004


@cache
def _read(text: str) -> tuple[Any, Any]:
    """A value that is written without quotes, as OmegaConf reads it and as DVC does."""
    line = f"value: {text}"
    try:
        ours = OmegaConf.to_container(OmegaConf.create(line))["value"]  # type: ignore[call-overload,index]
        theirs = YAML(typ="safe").load(line)["value"]
    except Exception:  # no value on its own, such as part of a flow
        return text, text
    return ours, theirs


def _told(value: Any) -> str:
    match value:
        case str():
            return f"the text '{value}'"
        case bool() | None:
            return _spelt(value) or ""
        case date():
            return "a date"
        case _:
            return f"the number {value}"


def _spelt(value: Any) -> str | None:
    """A value as both YAML 1.1 and 1.2 read it; None for a date, which only one of them knows."""
    match value:
        case str():
            return f"'{value}' in quotes"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case date():
            return None
        case _:
            return str(value)
