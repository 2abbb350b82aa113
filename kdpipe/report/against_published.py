"""Released checkpoints, measured here, beside what Ultralytics publishes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kdpipe import published
from kdpipe.config import RELEASED
from kdpipe.report.formats import HEAD_NAMES, markdown
from kdpipe.report.results import METRIC, Results
from kdpipe.zoo import HEADS


def against_published(results: Results) -> str:
    """A line per released checkpoint and head: measured, published, difference; none on other data."""
    lines: list[dict[str, str]] = []
    if not (results.table["init"] == RELEASED).any():
        return ""
    for setting in results.settings:
        table = published.DISTILLED if setting.kind == "distill" else published.BASELINE
        for head in HEADS:
            found = results.of(setting, results.split, head)
            if found.empty or not _is_released(found.iloc[0]) or found.iloc[0]["model"] not in table:
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


def _is_released(line: pd.Series[Any]) -> bool:
    """Whether a setting, by any of its lines, is a file that was released, measured on published data."""
    data = Path(str(line["data"])).name
    return bool((line["init"], line["epochs"], data) == (RELEASED, "0", published.DATA))
