"""Download data sets with Ultralytics, and convert COCO JSON with its converter."""

from __future__ import annotations

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


def convert_coco(folder: Path, out: Path, task: str) -> None:
    """Write label files in Ultralytics' format from COCO JSON files with class ids that start at 1.

    Args:
        folder: Folder with the JSON files.
        out: Output folder.
        task: Task of the labels.
    """
    converter.convert_coco(
        str(folder),
        str(out),
        use_segments=task == "segment",
        use_keypoints=task == "pose",
        cls91to80=False,
    )
