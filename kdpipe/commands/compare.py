"""Compare predictions of other tools, for `kdpipe compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from kdpipe import api
from kdpipe.errors import KdpipeError

SPELLING = "kdpipe compare truth.json baseline-*.json -- distilled-*.json"


def tell(
    truth: Path,
    files: Sequence[str],
    separator: str,
    console: Console,
    *,
    metric: str,
    task: str,
    smallest: float,
) -> None:
    """Print which files are paired, and the comparison.

    Args:
        truth: Annotation file of COCO.
        files: Result files of the baselines, the separator, and those of the distilled models.
        separator: What is between them.
        console: Where to print.
        metric: `AP`, `AP50` or `AP75`.
        task: `detect`, `segment` or `pose`.
        smallest: The smallest gain worth having, in points.

    Raises:
        KdpipeError: if there is no separator or more than one, or the files cannot be compared.
    """
    if files.count(separator) != 1:
        raise KdpipeError(f"write `--` once, between baseline and distilled files: {SPELLING}")
    middle = files.index(separator)
    baseline, distilled = files[:middle], files[middle + 1 :]
    found = api.compare(truth, baseline, distilled, metric=metric, task=task, smallest=smallest)
    for seed, (before, after) in enumerate(zip(baseline, distilled, strict=True)):
        console.print(f"seed {seed}: {escape(before)} and {escape(after)}", highlight=False)
    console.print(f"\n{escape(str(found))}", highlight=False)
