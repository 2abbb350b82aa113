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

from kdpipe.data.clipping import clipped_text
from kdpipe.data.images import CONVERTED, BrokenImageError, check_image, shown_size
from kdpipe.data.labels import Label, LabelRules
from kdpipe.data.listing import some
from kdpipe.data.source import Example, Source
from kdpipe.errors import DataError

FIRST_OFFENDERS = 5
BROKEN, UNREADABLE = "broken images", "unreadable images"
MOST_BROKEN = 0.01  # share of a split's images that may be left out; one always may
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
        clipped: Number of labels that reached out of the image, and end at its edges now.
    """

    example: Example
    digest: str
    size: tuple[int, int]
    labels: list[Label]
    problems: dict[str, str]
    clipped: int = 0


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


@dataclass(frozen=True)
class Examined:
    """A source after the check of all images and labels.

    Attributes:
        splits: The images that are used.
        warnings: Messages about what was left out or changed.
    """

    splits: dict[str, list[CheckedExample]]
    warnings: list[str]


def examine(source: Source, rules: LabelRules, out: Path | None = None) -> Examined:
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
    used = {split: _without_broken(examples) for split, examples in splits.items()}
    errors = _errors(used)
    if errors.places:
        errors.places |= _errors(splits).places  # broken images too, all in one message
        raise DataError("\n".join(["data.source cannot be trained on:", *errors.lines()]))
    return Examined(used, [line for split in splits for line in _changes(split, splits[split])])


def _without_broken(examples: list[CheckedExample]) -> list[CheckedExample]:
    """The images without those that are broken, unless these are many."""
    whole = [checked for checked in examples if BROKEN not in checked.problems]
    few = len(examples) - len(whole) <= max(1, MOST_BROKEN * len(examples))
    return whole if few and whole else examples


def _changes(split: str, examples: Sequence[CheckedExample]) -> Iterator[str]:
    """Say which images are left out, and how many labels are clipped."""
    if broken := [
        f"{one.example.where} ({one.problems[BROKEN]})" for one in examples if BROKEN in one.problems
    ]:
        yield f"{split}: broken images are left out: {len(broken)}: {some(broken)}"
    if reaching := [checked for checked in examples if checked.clipped]:
        number, files = sum(one.clipped for one in reaching), some([one.example.where for one in reaching])
        yield f"{split}: labels that reach out of the image are clipped at its edge: {number}: {files}"


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
    size, content, written, text, clipped = (0, 0), b"", b"", "", 0
    try:
        content, text = example.read()
        written = check_image(content, example.where, channels)
        text, clipped = clipped_text(text, rules)
        labels, bad = rules.parse(text)
        if bad:
            problems["bad labels"] = "; ".join(bad[:3])
    except UnicodeDecodeError:
        problems["bad labels"] = "the label file is no text in UTF-8"
    except OSError as error:
        kind = BROKEN if isinstance(error, BrokenImageError) else UNREADABLE
        problems[kind] = str(error).split("\n")[0]
    if out and not problems:
        image = out / "images" / split / example.name
        image.write_bytes(written)
        label = (out / "labels" / split / example.name).with_suffix(".txt")
        label.write_text(text, encoding="utf-8")
        size = shown_size(image)
    digest = hashlib.sha256(content).hexdigest()
    label_digest = hashlib.sha256(text.encode()).hexdigest()
    return CheckedExample(example, f"{digest}:{label_digest}", size, labels, problems, clipped)


def _errors(splits: Splits) -> Problems:
    problems = Problems()
    for checked in (checked for examples in splits.values() for checked in examples):
        for kind, detail in checked.problems.items():
            problems.places[UNREADABLE if kind == BROKEN else kind].append(
                f"{checked.example.where}: {detail}"
            )
    for split, examples in splits.items():
        if not problems.places and not any(checked.labels for checked in examples):
            problems.places["splits without any object"].append(split)
    return problems
