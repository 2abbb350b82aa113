"""Compare released checkpoints, as measured here, with the figures that Ultralytics publishes."""

from __future__ import annotations

from pathlib import Path

from kdpipe.models import published
from kdpipe.models.names import DEFAULT_IMGSZ, HEADS
from kdpipe.params.schema import RELEASED
from kdpipe.report.formatting import HEAD_NAMES, markdown
from kdpipe.report.results import METRIC, Line, Results


def against_published(results: Results) -> str:
    """Return a table of measured and published AP (%), a row per released checkpoint and head."""
    lines: list[dict[str, str]] = []
    if not (results.table["init"] == RELEASED).any():
        return ""
    for setting in results.settings:
        table = published.DISTILLED if setting.kind == "distill" else published.BASELINE
        for head in HEADS:
            found = results.of(setting, results.split, head)
            if not found or not _is_released(found[0]) or found[0]["model"] not in table:
                continue
            measured = 100 * results.mean(setting, head)[METRIC]
            expected = table[found[0]["model"]][head]
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


def _is_released(line: Line) -> bool:
    """Whether a line is of a released file, measured on the data and image size of the published figures."""
    found = (line["init"], line["epochs"], Path(str(line["data"])).name, str(line["imgsz"]))
    return found == (RELEASED, "0", published.DATA, str(DEFAULT_IMGSZ))
