"""Manifest of a prepared data set: counts, box sizes, digest, warnings and origin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from kdpipe.data.examine import CheckedExample
from kdpipe.data.findings import above_max_det, count_classes
from kdpipe.data.labels import LabelRules
from kdpipe.data.source import Source
from kdpipe.data.write import PreparedData
from kdpipe.errors import ParamsError, damaged
from kdpipe.params.schema import Params

MANIFEST_FILE = "manifest.json"
# COCO's upper area limits of small and medium objects, in square pixels (cocodataset.org, detection
# evaluation).
SMALL_AREA, MEDIUM_AREA = 32**2, 96**2


@dataclass(frozen=True)
class Split:
    """Counts of one split; `median_box` is the median width and height in pixels."""

    images: int
    negatives: int
    objects: int
    per_class: dict[str, int]
    box_sizes: dict[str, int]
    median_box: list[int]


@dataclass(frozen=True)
class Manifest:
    """Summary of a prepared data set; `digest` identifies its content."""

    source: str
    task: str
    digest: str
    names: list[str]
    kpt_shape: list[int] | None
    splits: dict[str, Split]
    warnings: list[str]
    origin: str

    @property
    def rules(self) -> LabelRules:
        """Rules for parsing its label files."""
        shape = (self.kpt_shape[0], self.kpt_shape[1]) if self.kpt_shape else None
        return LabelRules(self.task, len(self.names), shape)

    def save(self, folder: Path) -> None:
        """Write the manifest into the data set's folder."""
        (folder / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a prepared data set.

    Raises:
        KdpipeError: if the file is empty, cut short, or no manifest.
    """
    path = folder / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        splits = {name: Split(**split) for name, split in content["splits"].items()}
        return Manifest(**{**content, "splits": splits})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(path, error, "`dvc repro --force --single-item prepare` makes it again") from error


def describe(name: str, rules: LabelRules, source: Source, written: PreparedData) -> Manifest:
    """Make the manifest of a data set that was just written.

    Args:
        name: Its `data.source` in params.yaml.
        rules: Its label rules.
        source: The source it was read from.
        written: Its checked images, digest and warnings.
    """
    return Manifest(
        source=name,
        task=rules.task,
        digest=written.digest,
        names=list(source.names.values()),
        kpt_shape=list(rules.kpt_shape) if rules.kpt_shape else None,
        splits={split: _split(examples, source) for split, examples in written.splits.items()},
        warnings=written.warnings,
        origin=source.origin,
    )


def _split(examples: list[CheckedExample], source: Source) -> Split:
    counts = count_classes(examples)
    sides = [
        (label.box[2] * checked.size[0], label.box[3] * checked.size[1])
        for checked in examples
        for label in checked.labels
    ]
    return Split(
        images=len(examples),
        negatives=sum(not checked.labels for checked in examples),
        objects=len(sides),
        per_class={name: counts[index] for index, name in source.names.items()},
        box_sizes=_box_sizes(width * height for width, height in sides),
        median_box=[round(median(axis)) for axis in zip(*sides, strict=True)],
    )


def _box_sizes(areas: Iterable[float]) -> dict[str, int]:
    sizes = {"small": 0, "medium": 0, "large": 0}
    for area in areas:
        size = "small" if area < SMALL_AREA else "medium" if area < MEDIUM_AREA else "large"
        sizes[size] += 1
    return sizes


def measured_splits(params: Params, manifest: Manifest) -> list[str]:
    """Splits of `validate.splits` that the prepared data set has.

    The first one selects the teacher and the best `dis`; the last one gives the final metrics.

    Raises:
        ParamsError: if it has none of them.
    """
    found = [split for split in params.validate.splits if split in manifest.splits]
    if not found:
        wanted, has = " or ".join(params.validate.splits), ", ".join(manifest.splits)
        raise ParamsError("validate.splits", f"{params.data.source} has no {wanted}; it has {has}")
    return found


def prepared_above_max_det(params: Params, manifest: Manifest, dataset: Path) -> Iterator[str]:
    """Yield a warning for each measured split with more objects in an image than predictions are kept.

    `validate.max_det` is no part of the data set, so the manifest does not say it.

    Args:
        params: All of params.yaml.
        manifest: The manifest of the prepared data set.
        dataset: Its folder.

    Raises:
        ParamsError: if it has none of the splits.
    """
    for split in measured_splits(params, manifest):
        texts = (path.read_text(encoding="utf-8") for path in (dataset / "labels" / split).glob("*.txt"))
        crowded = (text for text in texts if len(text.splitlines()) > params.validate.max_det)
        objects = [len(manifest.rules.parse(text)[0]) for text in crowded]
        yield from above_max_det(split, objects, params.validate.max_det)
