"""What `kdpipe check` knows of data before it is prepared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kdpipe.checks.preflight import preflight
from tests.data.small import small_set


def test_what_is_notable_is_said_before_anything_is_prepared(
    write_params: Callable[..., Path], tmp_path: Path
) -> None:
    def change(folder: Path) -> None:
        (folder / "labels/train/0.txt").unlink()
        (folder / "images/val/.x.png").touch()

    small_set(tmp_path / "mine", change, names=["cat", "dog", "cow"])
    warnings = preflight(write_params(data={"source": "mine", "task": "detect"})).warnings
    assert "train: classes without an object: cow" in warnings
    assert "val: classes without an object: cow" in warnings
    assert any(line.startswith("train: 1 of 3 images have no label file") for line in warnings)
    assert any(line.startswith("val: hidden files are excluded") for line in warnings)
