"""Read COCO's JSON files as other tools write them; what does not fit is said in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, FailFast, Field, FiniteFloat, TypeAdapter, ValidationError

from kdpipe.errors import DataError

LONGEST = 40  # characters of a value that a message repeats
STRUCTURE = ("list_type", "tuple_type", "model_type", "dict_type", "missing")
Parsed = TypeVar("Parsed")

Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Box = tuple[FiniteFloat, FiniteFloat, Size, Size]
"""Left, top, width, height in pixels."""


class Image(BaseModel):
    """An image of the annotations; width and height are needed for masks only."""

    id: int
    width: int | None = None
    height: int | None = None


class Category(BaseModel):
    """A class of the annotations."""

    id: int
    name: Any = None


class Annotation(BaseModel):
    """An object."""

    image_id: int
    category_id: int
    bbox: Box
    area: Size | None = None
    iscrowd: int = 0
    segmentation: Any = None
    keypoints: list[FiniteFloat] | None = None
    num_keypoints: int | None = None


class Annotations(BaseModel):
    """COCO's annotation file."""

    images: Annotated[list[Image], FailFast()]
    annotations: Annotated[list[Annotation], FailFast()]
    categories: Annotated[list[Category], FailFast()]


class RunLengths(BaseModel):
    """A mask in COCO's compressed run-length encoding, of height and width in pixels."""

    size: tuple[int, int]
    counts: str


class Result(BaseModel):
    """A predicted box."""

    image_id: int
    category_id: int
    score: FiniteFloat
    bbox: Box


class MaskResult(Result):
    """A predicted mask; its box is that of the mask if it has none of its own."""

    bbox: Box | None = None  # type: ignore[assignment]
    segmentation: RunLengths


class PoseResult(Result):
    """Predicted keypoints; their box is the one around them if they have none of their own."""

    bbox: Box | None = None  # type: ignore[assignment]
    keypoints: list[FiniteFloat]


def read_json(path: Path, kind: TypeAdapter[Parsed], expected: str) -> Parsed:
    """Read a JSON file.

    Args:
        path: The file.
        kind: What it must hold.
        expected: The same in words, for messages.

    Raises:
        DataError: if it cannot be read, or holds something else; says what was found, and where.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return kind.validate_json(content)
    except ValidationError as error:
        raise DataError(f"{path}: {_problem(error)}; expected is {expected}") from error


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    kind, given = first["type"], first["input"]
    if kind == "json_invalid":
        return f"this is no JSON ({first['ctx']['error']})"
    place = place_of(*first["loc"])
    if kind == "missing":
        return f"{place_of(*first['loc'][:-1])} has no `{first['loc'][-1]}`"
    if kind in STRUCTURE:
        return f"{place} is {_described(given)}"
    return f"{place} is {_described(given)}: {first['msg'].removeprefix('Input ')}"


def place_of(*keys: int | str) -> str:
    """Return a place in a JSON file, such as `annotations[3].bbox[2]`."""
    parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return "".join(parts).removeprefix(".") or "the file"


def _described(given: object) -> str:
    if isinstance(given, dict):
        return f"an object with {', '.join(map(repr, given))}" if given else "an empty object"
    if isinstance(given, list):
        return f"a list of {len(given)}"
    text = repr(given)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
