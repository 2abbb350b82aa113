"""Download data sets with Ultralytics, and join outlines as it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ultralytics.data import converter
from ultralytics.data.utils import check_det_dataset

from kdpipe.errors import DataError
from kdpipe.paths import state_dir
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.log import log_to


def download_dataset(yaml: Path) -> None:
    """Download a data set with Ultralytics to kdpipe's downloads folder.

    Raises:
        DataError: if the download fails.
    """
    configure()
    log = state_dir() / "download.log"
    try:
        with log_to(log):
            check_det_dataset(yaml.name)
    except Exception as error:
        raise DataError(f"data.source: {yaml.name} could not be downloaded ({error}); see {log}") from error


def merged_outline(parts: Sequence[Sequence[float]]) -> list[float]:
    """One outline of an object in several parts, joined as Ultralytics joins them; all as x, y, x, y, ..."""
    joined = converter.merge_multi_segment([list(part) for part in parts])
    return [float(value) for part in joined for value in part.ravel()]
