"""Released checkpoints, measured here, beside what Ultralytics publishes of them."""

from __future__ import annotations

from pathlib import Path

from kdpipe import published
from kdpipe.config import RELEASED
from kdpipe.report.benchmark import settings
from kdpipe.report.formats import HEAD_NAMES, markdown
from kdpipe.report.results import METRIC, Results
from kdpipe.zoo import HEADS


def against_published(results: Results) -> str:
    """A line per released checkpoint and head: measured, published, difference; none on other data."""
    lines = []
    for setting in settings(results):
        table = published.DISTILLED if setting.kind == "distill" else published.BASELINE
        for head in HEADS:
            found = setting.lines(results, head)
            on_coco = found["data"].map(lambda source: Path(source).name) == published.DATA
            found = found[(found["init"] == RELEASED) & (found["epochs"] == "0") & on_coco]
            if found.empty or found.iloc[0]["model"] not in table:
                continue
            measured = 100 * found[METRIC].mean()
            expected = table[found.iloc[0]["model"]][head]
            lines.append(
                {
                    "model": str(setting),
                    "head": HEAD_NAMES[head],
                    "measured": f"{measured:.1f}",
                    "published": f"{expected:.1f}",
                    "difference": f"{measured - expected:+.1f}",
                }
            )
    return markdown(lines)
