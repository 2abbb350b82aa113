from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_every_method import train_every_method
from tests.test_every_task import OWN_LOSS


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("task", OWN_LOSS)
@pytest.mark.parametrize("family", ["yolo11", "yolov8"])
def test_every_method_trains_every_task(
    family: str, task: str, write_params: Callable[..., Path], tmp_path: Path
) -> None:
    train_every_method(family, task, write_params, tmp_path)
