"""Layers that a model yaml may name, and what they may be given.

Ultralytics builds a model by calling what its yaml names with what its yaml holds
(`ultralytics.nn.tasks.parse_model`), and evaluates the activation as code. So only layers of Ultralytics' own
yamls are accepted, with numbers and a few words as arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kdpipe.errors import did_you_mean

HEADS = {"detect": "Detect", "segment": "Segment", "pose": "Pose", "obb": "OBB"}
ACTIVATION = re.compile(r"(torch\.)?nn\.\w+\([\w=., -]*\)")
LAYERS = frozenset(
    [
        "A2C2f",
        "AConv",
        "ADown",
        "AIFI",
        "Bottleneck",
        "C2",
        "C2PSA",
        "C2f",
        "C2fCIB",
        "C3",
        "C3Ghost",
        "C3k2",
        "CBFuse",
        "CBLinear",
        "Concat",
        "Conv",
        "DWConv",
        "ELAN1",
        "GhostConv",
        "HGBlock",
        "HGStem",
        "PSA",
        "RepC3",
        "RepNCSPELAN4",
        "ResNetLayer",
        "SCDown",
        "SPP",
        "SPPELAN",
        "SPPF",
        "nn.ConvTranspose2d",
        "nn.Identity",
        "nn.MaxPool2d",
        "nn.Upsample",
        "nn.ZeroPad2d",
    ]
)
"""Layers of Ultralytics' model yamls, without heads, words and whole models of torchvision."""
HEAD_LAYERS = frozenset({*HEADS.values(), "Segment26", "Pose26", "OBB26"})
WORDS = ("nc", "kpt_shape", "None", "True", "False", "nearest", "bilinear", "bicubic")
LARGEST = 10_000  # channels, kernel sizes and so on
MOST_REPEATS = 100
LONGEST = 60  # characters of a message that are the user's
PARTS = ("backbone", "head")  # of a model yaml, in their order


def layer_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Say what in a model yaml is no layer, or is given to a layer that must not be.

    Args:
        content: The model yaml, as plain Python objects.
    """
    activation = content.get("activation")
    if activation and not (isinstance(activation, str) and ACTIVATION.fullmatch(activation)):
        yield f"activation: {activation!r} is run as code; write a layer, such as nn.SiLU()"
    if not _is_count(content.get("nc")):
        yield f"nc: {content.get('nc')!r} is no number of classes"
    index = 0
    for part in PARTS:
        rows = content.get(part)
        if not isinstance(rows, list) or not rows:
            yield f"{part}: missing; write its layers as a list of [from, repeats, layer, arguments]"
            return
        last = len(rows) - 1 if part == PARTS[-1] else None
        for place, row in enumerate(rows):
            for problem in _row_problems(row, index, is_head=place == last):
                yield f"{part}[{place}]: {problem}"
            index += 1


def scale_problems(content: Mapping[str, Any], size: str) -> Iterator[str]:
    """Say what is wrong with the scales of a model yaml.

    Args:
        content: The model yaml, as plain Python objects.
        size: Size of the model, as in its name.
    """
    scales = content.get("scales")
    if not isinstance(scales, dict) or size not in scales:
        yield f"scales: missing for the size {size}; write {size}: [depth, width, most channels]"
        return
    found = scales[size]
    if not isinstance(found, list) or len(found) != 3 or not all(_is_number(value) for value in found):  # noqa: PLR2004
        yield f"scales: {size}: {found!r} is no list of three numbers: depth, width, most channels"


def _row_problems(row: Any, index: int, *, is_head: bool) -> Iterator[str]:
    if not isinstance(row, list) or len(row) != 4:  # noqa: PLR2004
        yield f"{row!r} is no layer; write [from, repeats, layer, arguments]"
        return
    sources, repeats, name, arguments = row
    several = isinstance(sources, list)
    for source in sources if several else [sources]:
        if not _is_source(source, index):
            yield f"from {source!r}: no earlier layer; this is layer {index}"
    if not _is_count(repeats) or repeats > MOST_REPEATS:
        yield f"repeats {repeats!r}: write a number from 1 to {MOST_REPEATS}"
    known = HEAD_LAYERS if is_head else LAYERS
    if name not in known:
        kind = "head that is distilled" if is_head else "layer that Ultralytics' own models have"
        listed = "" if is_head else "docs/own-data.md lists them"  # too many for a message
        hint = did_you_mean(str(name), sorted(known), otherwise=listed)
        yield f"{str(name)[:LONGEST]} is no {kind}; {hint}"
    if several != (is_head or name in ("Concat", "CBFuse")):
        yield f"{name} takes {'one layer' if several else 'a list of layers'}, not {sources!r}"
    if not isinstance(arguments, list):
        yield f"{arguments!r} is no list of arguments"
    elif odd := [value for value in arguments if not _is_argument(value)]:
        given = ", ".join(map(_shortened, odd))
        yield f"{name} is given {given}; write numbers up to {LARGEST}, or a word of {', '.join(WORDS)}"


def _is_source(value: Any, index: int) -> bool:
    """Whether a layer can be fed from `value`: a layer before it, counted from the start or from itself."""
    return type(value) is int and (
        0 <= value < index or (-index <= value < 0) or (value == -1 and index == 0)
    )


def _is_argument(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= LARGEST and all(_is_number(item) for item in value)
    return value is None or _is_number(value) or value in WORDS


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) and abs(value) <= LARGEST


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value <= LARGEST


def _shortened(value: Any) -> str:
    text = repr(value) if not isinstance(value, (list, dict)) else f"a {type(value).__name__}"
    return text[:LONGEST]


def head_of(content: Mapping[str, Any]) -> tuple[Sequence[int], str]:
    """Layers that feed the head of a checked model yaml, and the head's name without the version."""
    sources, _, name, _ = content[PARTS[-1]][-1]
    return sources, re.sub(r"\d+$", "", name)
