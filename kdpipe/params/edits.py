"""Notice that params.yaml was edited while a stage ran.

DVC reads the values again after a stage, and would store what came out under the values of then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from kdpipe.errors import KdpipeError
from kdpipe.params.schema import PARAMS_FILE

PIPELINE_FILE = "dvc.yaml"
ITEM = re.compile(r"\$\{item\.\w+\}")
NONE = "(none)"


class Written:
    """The parameters of all stages as they are written now: values of params.yaml, numbers of the recipe."""

    def __init__(self) -> None:
        """Read them; a file with a mistake counts as empty, as the stage itself refuses it."""
        stages = _content(Path(PIPELINE_FILE)).get("stages") or {}
        self._used = {kind: list(_parameters(stage or {})) for kind, stage in stages.items()}
        files = {file for used in self._used.values() for file, _ in used}
        self._content = {file: _content(Path(file)) for file in files}

    def refuse_edits(self, stage: str, name: str = "") -> None:
        """Compare what a stage has used with what is written by now.

        Args:
            stage: Name of the stage, such as `baseline@yolo26n-0`.
            name: What its parameters have for `${item. ...}`, such as `yolo26n`.

        Raises:
            KdpipeError: if a value that the stage depends on has been edited.
        """
        edited = []
        contents = {file: _content(Path(file)) for file in self._content}
        unreadable = [file for file, content in contents.items() if self._content[file] and not content]
        if unreadable:
            raise KdpipeError(
                f"{unreadable[0]} was edited while this ran, and cannot be read any more; mend it"
            )
        for file, key in self._used.get(stage.split("@", maxsplit=1)[0], []):
            full = ITEM.sub(name, key)
            before, now = (dict(_values(content, full)) for content in (self._content[file], contents[file]))
            edited += [
                f"{file}: {single} was {before.get(single, NONE)} and is {now.get(single, NONE)}"
                for single in sorted(before.keys() | now.keys())
                if before.get(single) != now.get(single)
            ]
        if edited:
            raise KdpipeError(
                f"edited while this ran: {'; '.join(edited)}. The result belongs to the old value, and DVC "
                "would store it under the new one: run `dvc repro` again. If the old value is back by then, "
                "a training that has finished is not repeated"
            )


def _parameters(stage: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """File and key of each parameter of a stage of dvc.yaml."""
    for entry in stage.get("params", []):
        if isinstance(entry, dict):
            yield from ((file, key) for file, keys in entry.items() for key in keys or ())
        else:
            yield PARAMS_FILE, entry


def _content(path: Path) -> dict[str, Any]:
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except Exception:
        return {}
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}


def _values(content: dict[str, Any], key: str) -> Iterator[tuple[str, str]]:
    """The single values under a key, as text, by their full keys."""
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    yield from _flat(value, key)


def _flat(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}")
    elif value is not None:
        yield key, str(value)
