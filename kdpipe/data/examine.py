"""Check all images and labels of a data set."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.progress import track

from kdpipe.data.images import CONVERTED, check_image, shown_size
from kdpipe.data.labels import Label, LabelRules
from kdpipe.data.source import Example, Source
from kdpipe.errors import DataError

FIRST_OFFENDERS = 5
RGB = CONVERTED[-1]


@dataclass(frozen=True)
class CheckedExample:
    """An image after its check.

    Attributes:
        example: The image.
        digest: SHA-256 of the image file and of the label text, as `image:label`.
        size: Width and height in pixels as a model sees it; 0, 0 if it was not written.
        labels: Its valid labels.
        problems: Details by kind of problem.
    """

    example: Example
    digest: str
    size: tuple[int, int]
    labels: list[Label]
    problems: dict[str, str]


@dataclass
class Problems:
    """Problems of a data set: affected files by kind of problem."""

    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def lines(self) -> Iterator[str]:
        """Lines for a message: the count of each kind, and its first files."""
        for kind, places in self.places.items():
            yield f"{kind}: {len(places)}"
            yield from (f"    {place}" for place in places[:FIRST_OFFENDERS])
            if len(places) > FIRST_OFFENDERS:
                yield f"    ... and {len(places) - FIRST_OFFENDERS} more"


Splits = Mapping[str, Sequence[CheckedExample]]


def examine(source: Source, rules: LabelRules, out: Path | None = None) -> dict[str, list[CheckedExample]]:
    """Check all images and labels of a source, and copy them if all is well; the source is only read.

    Args:
        source: The data set.
        rules: Its label rules.
        out: Folder for the copy, which has no images yet; None to copy nothing.

    Raises:
        DataError: if the data would spoil a training; lists counts and the first files.
    """
    check_splits(source)
    channels = int(source.extra.get("channels", RGB))
    splits = {}
    for split, examples in source.splits.items():
        if out is not None:
            for kind in ("images", "labels"):
                (out / kind / split).mkdir(parents=True)
        check = partial(_check, rules=rules, channels=channels, out=out, split=split)
        with ThreadPoolExecutor() as pool:
            checked = pool.map(check, examples)
            shown = track(checked, f"{split:>5} images", total=len(examples)) if out else checked
            splits[split] = list(shown)
    errors = _errors(splits)
    if errors.places:
        raise DataError("\n".join(["data.source cannot be trained on:", *errors.lines()]))
    return splits


def check_splits(source: Source) -> None:
    """Refuse a source without images for training or validation."""
    missing = [split for split in ("train", "val") if not source.splits.get(split)]
    if missing:
        raise DataError(f"data.source has no images for {' and '.join(missing)}; name them in the data yaml")


def _check(
    example: Example, *, rules: LabelRules, channels: int, out: Path | None, split: str
) -> CheckedExample:
    problems: dict[str, str] = {}
    labels: list[Label] = []
    size, content, written, text = (0, 0), b"", b"", ""
    try:
        content, text = example.read()
        written = check_image(content, example.where, channels)
        labels, bad = rules.parse(text)
        if bad:
            problems["bad labels"] = "; ".join(bad[:3])
    except UnicodeDecodeError:
        problems["bad labels"] = "the label file is no text in UTF-8"
    except OSError as error:
        problems["unreadable images"] = str(error).split("\n")[0]
    if out and not problems:
        image = out / "images" / split / example.name
        image.write_bytes(written)
        label = (out / "labels" / split / example.name).with_suffix(".txt")
        label.write_text(text, encoding="utf-8")
        size = shown_size(image)
    digest = hashlib.sha256(content).hexdigest()
    label_digest = hashlib.sha256(text.encode()).hexdigest()
    return CheckedExample(example, f"{digest}:{label_digest}", size, labels, problems)


def _errors(splits: Splits) -> Problems:
    problems = Problems()
    for checked in (checked for examples in splits.values() for checked in examples):
        for kind, detail in checked.problems.items():
            problems.places[kind].append(f"{checked.example.where}: {detail}")
    for split, examples in splits.items():
        if not problems.places and not any(checked.labels for checked in examples):
            problems.places["splits without any object"].append(split)
    return problems
