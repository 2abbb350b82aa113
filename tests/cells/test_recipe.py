"""Digests of the code behind pipelines/recipe.yaml; `python -m tests.cells.test_recipe` keeps them."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdpipe.cells import recipe

REPOSITORY = Path(__file__).parents[2]
KEPT = Path(__file__).with_name("recipe.json")
BEHIND = {
    "DATA": ["data/*.py", "stages/prepare.py"],
    "TRAINING": [
        "runner/**/*.py",
        "stages/train.py",
        "yolo/arguments.py",
        "yolo/device.py",
        "yolo/hermetic.py",
        "yolo/precision.py",
        "models/own_yaml.py",
    ],
    "VALIDATION": ["stages/validate.py", "yolo/validation.py", "yolo/batch_statistics.py"],
    "EVALUATION": ["evaluation/*.py", "stages/evaluate.py"],
    "START": ["stages/start.py", "yolo/selection.py"],
    "CHOICE": ["stages/pick_teacher.py"],
    "EXPORT": [
        "stages/export.py",
        "stages/validate_exported.py",
        "yolo/export.py",
        "yolo/exported.py",
        "models/formats.py",
        "models/to_export.py",
    ],
    "REPORT": ["report/*.py", "stages/report.py", "models/published.py"],
    "PAGE": ["page/**/*.py", "page/*.html", "page/*.css", "stages/page.py"],
}
"""By number: the files under kdpipe/ whose code it stands for."""


def meaning(source: str) -> str:
    """A module's syntax without comments, docstrings, annotations and positions."""
    return _written(ast.parse(source))


def _written(node: object) -> str:
    if isinstance(node, list):
        return f"[{', '.join(map(_written, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    return f"{type(node).__name__}({', '.join(_fields(node))})"


def _fields(node: ast.AST) -> Iterator[str]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment", "type_params", "kind") or value in (None, []):
            continue
        if name == "body" and isinstance(value, list):
            yield f"body={_written([statement for statement in value if not _is_text(statement)])}"
        else:
            yield f"{name}={_written(value)}"


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def digests() -> dict[str, str]:
    found = {}
    for number, patterns in BEHIND.items():
        state = hashlib.sha256()
        for pattern in patterns:
            paths = sorted((REPOSITORY / "kdpipe").glob(pattern))
            assert paths, pattern
            for path in paths:
                text = path.read_text()
                state.update((meaning(text) if path.suffix == ".py" else text).encode())
        found[number] = state.hexdigest()[:16]
    return found


def current() -> dict[str, list[int | str]]:
    """Each number of the recipe, and the digest of the code behind it."""
    return {number: [recipe.installed()[number], digest] for number, digest in digests().items()}


@pytest.mark.parametrize("number", BEHIND)
def test_code_that_makes_results_changes_with_its_number(number: str) -> None:
    assert current()[number] == json.loads(KEPT.read_text())[number], (
        f"the code behind {number} has changed: raise it in pipelines/recipe.yaml if results change, "
        "or leave it if they stay the same; then run: python -m tests.cells.test_recipe"
    )


def test_every_number_has_its_code() -> None:
    assert recipe.installed().keys() == BEHIND.keys()


CODE = '''
"""Says what it is for."""
class Size:
    """Of an image."""
    side: int = 96  # pixels
def area(size: Size) -> int:
    """Pixels."""
    return size.side ** 2
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""Pixels."""', '"""Square pixels."""', True),
        ("  # pixels", "", True),
        (" -> int", " -> float", True),
        ("size: Size", "size", True),
        ("class Size:", "class Size:\n", True),
        ("= 96", "= 64", False),
        ("** 2", "** 3", False),
        ("return size", "return 2 * size", False),
    ],
)
def test_words_make_no_difference_and_code_does(old: str, new: str, same: bool) -> None:
    assert old in CODE
    assert (meaning(CODE) == meaning(CODE.replace(old, new))) == same


if __name__ == "__main__":
    KEPT.write_text(json.dumps(current(), indent=2) + "\n")
    sys.stdout.write(f"digests kept in {KEPT.relative_to(REPOSITORY)}\n")
