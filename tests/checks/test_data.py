"""What `kdpipe check` knows of data before it is prepared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kdpipe.checks.preflight import preflight
from kdpipe.console import console
from pipelines import prepare
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
    assert any(line.startswith("train: images without a label file, which count as") for line in warnings)
    assert any(line.startswith("val: hidden files are excluded") for line in warnings)


def test_more_objects_than_are_kept_of_an_image_are_said(
    write_params: Callable[..., Path], tmp_path: Path
) -> None:
    """By check, before the data is prepared and after, and by stage prepare."""

    def change(folder: Path) -> None:
        (folder / "labels/val/0.txt").write_text("0 0.5 0.5 0.4 0.4\n" * 2)  # which counts as one

    small_set(tmp_path / "mine", change)
    kept = {"data": {"source": "mine", "task": "detect"}, "validate__splits": ["val", "test"]}
    said = (
        "val: 2 images have more objects than validate.max_det: 1 (up to 2), so that some cannot be found; "
        "write 2 or more"
    )
    assert said in preflight(write_params(**kept, validate__max_det=1)).warnings
    with console.capture() as captured:
        prepare.main()
    assert said in captured.get()
    assert said in preflight().warnings
    assert said not in preflight(write_params(**kept, validate__max_det=2)).warnings


def test_a_choice_on_the_images_that_measure_it_is_said(
    write_params: Callable[..., Path], tmp_path: Path
) -> None:
    """By check, before the data is prepared and after."""
    small_set(tmp_path / "mine")
    data = {"source": "mine", "task": "detect"}
    said = "the data has no test split: the best `dis` is chosen on the images that measure it (val)"
    assert preflight(write_params(data=data, validate__splits=["val"])).warnings == []
    for _ in range(2):
        assert said in preflight(write_params(data=data, validate__splits=["val", "test"])).warnings[0]
        prepare.main()
