"""Check all images and labels of a source, and write the data set for the pipeline."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from rich.progress import track

from kdpipe.data import coco_annotations
from kdpipe.data.labels import Label, LabelRules
from kdpipe.data.source import Example, Source
from kdpipe.errors import DataError
from kdpipe.params.yaml_text import dump

FIRST_OFFENDERS = 5
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
SMALLEST_IMAGE = 10  # pixels; Ultralytics rejects smaller images


@dataclass(frozen=True)
class CheckedExample:
    """An image after its check.

    Attributes:
        example: The image.
        digest: SHA-256 of the image file and of the label text, as `image:label`.
        size: Width and height in pixels.
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


@dataclass(frozen=True)
class PreparedData:
    """A data set that was written: images by split, digest and warnings."""

    splits: dict[str, list[CheckedExample]]
    digest: str
    warnings: list[str]


def write(source: Source, rules: LabelRules, out: Path) -> PreparedData:
    """Check a source and copy it to `out` in Ultralytics' layout; the source is only read.

    Args:
        source: The data set.
        rules: Its label rules.
        out: Output folder, which is replaced.

    Raises:
        DataError: if the data would spoil a training; lists counts and the first files.
    """
    missing = [split for split in ("train", "val") if not source.splits.get(split)]
    if missing:
        raise DataError(f"data.source has no images for {' and '.join(missing)}; name them in the data yaml")
    shutil.rmtree(out, ignore_errors=True)
    splits = {
        split: list(_write_split(examples, rules, out, split)) for split, examples in source.splits.items()
    }
    errors = _errors(splits)
    if errors.places:
        raise DataError("\n".join(["data.source cannot be trained on:", *errors.lines()]))
    _write_yaml(source, out)
    warnings = [*source.warnings, *_carry_annotations(splits, source, out), *_duplicates(splits).lines()]
    return PreparedData(splits, _digest(splits, source, rules, out), warnings)


def _write_split(
    examples: Iterable[Example], rules: LabelRules, out: Path, split: str
) -> Iterator[CheckedExample]:
    for kind in ("images", "labels"):
        (out / kind / split).mkdir(parents=True)
    check = partial(_check_and_copy, rules=rules, out=out, split=split)
    examples = list(examples)
    with ThreadPoolExecutor() as pool:
        yield from track(pool.map(check, examples), f"{split:>5} images", total=len(examples))


def _check_and_copy(example: Example, *, rules: LabelRules, out: Path, split: str) -> CheckedExample:
    problems: dict[str, str] = {}
    labels: list[Label] = []
    size, content, text = (0, 0), b"", ""
    try:
        content, text = example.read()
        size = _decode(content)
        labels, bad = rules.parse(text)
        if bad:
            problems["bad labels"] = "; ".join(bad[:3])
    except UnicodeDecodeError:
        problems["bad labels"] = "the label file is not text"
    except OSError as error:
        problems["unreadable images"] = str(error).split("\n")[0]
    if not problems:
        (out / "images" / split / example.name).write_bytes(_ended(content))
        label = (out / "labels" / split / example.name).with_suffix(".txt")
        label.write_text(text)
    digest = hashlib.sha256(content).hexdigest()
    label_digest = hashlib.sha256(text.encode()).hexdigest()
    return CheckedExample(example, f"{digest}:{label_digest}", size, labels, problems)


def _decode(content: bytes) -> tuple[int, int]:
    """Decode the whole image, and return its width and height in pixels.

    Raises:
        OSError: if it cannot be decoded or is too small.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            size = image.size
    # ImportError: once imported, Ultralytics tries to import a HEIF reader for every unknown file.
    except (SyntaxError, ValueError, ImportError, Image.DecompressionBombError) as error:
        raise OSError("no image, or of an unknown format") from error
    if min(size) < SMALLEST_IMAGE:
        raise OSError(f"smaller than {SMALLEST_IMAGE} pixels: {size[0]} x {size[1]}")
    return size


def _ended(content: bytes) -> bytes:
    """A JPEG without the bytes after its end marker.

    Ultralytics rewrites files with such bytes in place, and DVC would see changed data.
    """
    end = content.rfind(JPEG_END)
    return content[: end + len(JPEG_END)] if content.startswith(JPEG_START) and end > 0 else content


def _errors(splits: dict[str, list[CheckedExample]]) -> Problems:
    problems = Problems()
    for checked in (checked for examples in splits.values() for checked in examples):
        for kind, detail in checked.problems.items():
            problems.places[kind].append(f"{checked.example.where}: {detail}")
    for split, examples in splits.items():
        if not problems.places and not any(checked.labels for checked in examples):
            problems.places["splits without any object"].append(split)
    return problems


def _duplicates(splits: dict[str, list[CheckedExample]]) -> Problems:
    problems = Problems()
    seen: dict[str, tuple[str, str]] = {}
    for split, examples in splits.items():
        for checked in examples:
            content = checked.digest.split(":")[0]
            first_split, name = seen.setdefault(content, (split, checked.example.name))
            if first_split != split:
                kind = f"images that are in {first_split} and in {split}"
                problems.places[kind].append(f"{first_split}/{name} = {split}/{checked.example.name}")
    return problems


def _digest(splits: dict[str, list[CheckedExample]], source: Source, rules: LabelRules, out: Path) -> str:
    """Digest of the data set, 32 hex digits, from task, keypoints, class names and all files."""
    known = (rules.task, rules.kpt_shape, sorted(source.names.items()))
    state = hashlib.sha256(repr(known).encode())
    for split, examples in sorted(splits.items()):
        for checked in sorted(examples, key=lambda item: item.example.name):
            state.update(f"{split}/{checked.example.name}:{checked.digest}\n".encode())
    for path in sorted((out / coco_annotations.FOLDER).glob("*.json")):
        state.update(f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return state.hexdigest()[:32]


def _carry_annotations(splits: dict[str, list[CheckedExample]], source: Source, out: Path) -> Iterator[str]:
    """Copy COCO annotation files if there are any; yield a warning for each that does not fit."""
    for split, path in source.annotations.items():
        images = {Path(checked.example.where).name: checked.example.name for checked in splits[split]}
        problem = coco_annotations.carry(
            path, source.names, images, out / coco_annotations.FOLDER / f"{split}.json"
        )
        if problem:
            yield f"{split} is measured against its label files: {problem}"


def _write_yaml(source: Source, out: Path) -> None:
    content: dict[str, Any] = {split: f"images/{split}" for split in source.splits}
    content |= {"names": dict(source.names), **source.extra}
    (out / "data.yaml").write_text(dump(content), encoding="utf-8")


def count_classes(examples: Iterable[CheckedExample]) -> Counter[int]:
    """Number of objects per class id."""
    return Counter(label.class_id for checked in examples for label in checked.labels)
