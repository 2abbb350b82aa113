"""Groups of images that stay together when val is split off."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdpipe.errors import DataError
from tests.data.exports.truth import picture, written
from tests.data.test_import_found import BOX, imported, voc


def videos(folder: Path, count: int = 5, frames: int = 6) -> Path:
    """Frames of the same names in a folder per video."""
    for video in range(count):
        for frame in range(frames):
            voc(folder / f"video{video}", f"{frame:04}")
            picture(folder / f"video{video}/{frame:04}.jpg", width=64 + video)
            text = (folder / f"video{video}/{frame:04}.xml").read_text()
            written(folder / f"video{video}/{frame:04}.xml", text.replace(">64<", f">{64 + video}<"))
    return folder


def widths(out: Path, split: str) -> set[int]:
    from PIL import Image

    return {Image.open(path).width for path in (out / "images" / split).iterdir()}


def test_folders_can_be_groups(tmp_path: Path) -> None:
    """Frames of all videos were in both train and val."""
    done = imported(videos(tmp_path / "theirs"), tmp_path / "out", groups=r"video\d+")
    assert done.images == {"train": 24, "val": 6}
    assert not widths(tmp_path / "out", "train") & widths(tmp_path / "out", "val")


def test_an_expression_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--groups 'scene' matches no image, such as video0/0000.jpg"):
        imported(videos(tmp_path / "theirs", 2, 2), tmp_path / "out", groups="scene")


def test_a_name_that_all_images_have(tmp_path: Path) -> None:
    """A camera calls them all alike, so names alone are one group."""
    videos(tmp_path / "theirs", 10, 1)
    with pytest.raises(DataError, match=r"all images are of one group.*see --groups"):
        imported(tmp_path / "theirs", tmp_path / "out")
    done = imported(tmp_path / "theirs", tmp_path / "out", groups=r"video\d+")
    assert done.images == {"train": 8, "val": 2}


@pytest.mark.parametrize(("sizes", "val"), [((60, 1), 1), ((30, 6), 6), ((50, 15, 15), 15)])
def test_val_is_the_part_that_is_nearest_to_a_fifth(tmp_path: Path, sizes: tuple[int, ...], val: int) -> None:
    folder = tmp_path / "theirs"
    written(folder / "classes.txt", "cat")
    for group, size in enumerate(sizes):
        for number in range(size):
            picture(folder / f"images/{group}_{number}.png", 16, 16)
            written(folder / f"labels/{group}_{number}.txt", BOX)
    for seed in range(3):
        from kdpipe.data.importing import import_data

        out = tmp_path / f"out{seed}"
        done = import_data(folder, out, "detect", images=None, groups=r"^\d_", seed=seed)
        assert done.images["val"] == val
