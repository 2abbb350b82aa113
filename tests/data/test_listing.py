"""Images are found where Ultralytics finds them, and what it excludes without a word is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.data.listing import list_images
from kdpipe.errors import DataError
from tests.data.small import encoded, newer_ultralytics, perfect, picture, prepared, small_set


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def add(folder: Path, place: str, count: int = 1) -> None:
    """Images and labels in a folder such as `images/val/more`."""
    for kind in ("images", "labels"):
        (folder / place.replace("images", kind, 1)).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        picture(100 + index).save(folder / place / f"added{index}.png")
        (folder / place.replace("images", "labels", 1) / f"added{index}.txt").write_text(
            "1 0.5 0.5 0.5 0.5\n"
        )


def theirs(folder: Path) -> list[str]:
    """Names of what Ultralytics reads of the val images of a source."""
    from kdpipe.yolo.reading import read_split

    read = read_split(folder / "data.yaml", "val", "detect", folder.parent / "theirs.log")
    return sorted(image.name for image in read.images)


def ours(folder: Path) -> list[str]:
    listing = list_images(folder / "data.yaml", "val", folder, "images/val")
    return sorted(path.name for path in listing.images)


def test_folders_behind_links_are_read(tmp_path: Path) -> None:
    source = small_set(tmp_path / "mine")
    add(source, "elsewhere/images/far", count=6)
    shutil.move(source / "elsewhere", tmp_path)
    for kind in ("images", "labels"):
        (source / kind / "val/far").symlink_to(tmp_path / "elsewhere" / kind / "far")
    (tmp_path / "elsewhere/labels").mkdir(exist_ok=True)
    assert ours(source) == theirs(source)
    assert len(ours(source)) == 9


def test_a_link_around_a_circle_is_refused(tmp_path: Path) -> None:
    source = small_set(tmp_path / "mine")
    (source / "images/val/again").symlink_to(source / "images")
    with pytest.raises(DataError, match="again is a link to a folder that contains it; remove it"):
        prepared(source, tmp_path / "out")


@newer_ultralytics
def test_all_formats_of_ultralytics_are_read(tmp_path: Path) -> None:
    source = small_set(tmp_path / "mine")
    made = {"a.avif": "AVIF", "b.jp2": "JPEG2000", "c.mpo": "MPO", "d.webp": "WEBP", "e.bmp": "BMP"}
    made |= {"f.tiff": "TIFF", "g.JPEG": "JPEG", "h.heif": "PNG", "i.dng": "TIFF"}
    for index, (name, kind) in enumerate(made.items()):
        (source / "images/val" / name).write_bytes(encoded(picture(50 + index), kind))
        (source / "labels/val" / name).with_suffix(".txt").write_text("0 0.5 0.5 0.5 0.5\n")
    manifest = prepared(source, tmp_path / "out")
    assert manifest.splits["val"].images == 12
    assert ours(source) == theirs(source)
    assert perfect(tmp_path / "out", "val", tmp_path)["coco/AP"] == pytest.approx(1)


def test_what_is_excluded_is_said(tmp_path: Path) -> None:
    source = small_set(tmp_path / "mine")
    shutil.copy(source / "images/val/0.png", source / "images/val/.val0.png")
    (source / "images/val/.trash").mkdir()
    shutil.copy(source / "images/val/0.png", source / "images/val/.trash/x.png")
    for name in ("x.gif", "y.gif", "z.tga", "notes.md"):
        (source / "images/val" / name).touch()
    warnings = prepared(source, tmp_path / "out").warnings
    assert ours(source) == theirs(source)
    assert any(
        "val: hidden files are excluded, as in Ultralytics: " in line and ".val0.png" in line
        for line in warnings
    )
    wanted = "val: files that Ultralytics does not read are excluded: 2 .gif, 1 .tga; save them as PNG"
    assert wanted in warnings
    assert perfect(tmp_path / "out", "val", tmp_path)["coco/AP"] == pytest.approx(1)


def test_an_image_that_is_named_twice_is_said(tmp_path: Path) -> None:
    source = small_set(tmp_path / "mine", val="val.txt")
    (source / "val.txt").write_text(
        "﻿./images/val/0.png\r\n./images/val/0.png \n\n./images/val/1.png\n", "utf-8"
    )
    manifest = prepared(source, tmp_path / "out")
    assert manifest.splits["val"].images == 2
    assert any("images that are named more than once are used once: " in line for line in manifest.warnings)


def zipped(folder: Path) -> None:
    shutil.make_archive(str(folder / "images"), "zip", folder / "images")


def binary(folder: Path) -> None:
    (folder / "images.bin").write_bytes(bytes(range(256)))


def latin(folder: Path) -> None:
    (folder / "list.txt").write_bytes(b"images/val/gr\xf6\xdfe.png\n")


NO_LIST = "is neither a folder of images nor a list of their paths, one a line, in UTF-8"


@pytest.mark.parametrize(
    ("entry", "change", "message"),
    [
        ("images/train/0.png", bool, f"train: images/train/0.png {NO_LIST}"),
        ("images.zip", zipped, f"train: images.zip {NO_LIST}"),
        ("images.bin", binary, f"train: images.bin {NO_LIST}"),
        ("list.txt", latin, f"train: list.txt {NO_LIST}"),
        ("images/none", bool, "train: images/none: no such folder or list; looked for"),
        (5, bool, "train: 5: write a folder of images, a list file, or several of them"),
        ([5], bool, r"train: \[5\]: write a folder of images, a list file, or several of them"),
        ({"a": "b"}, bool, "train: {'a': 'b'}: write a folder of images"),
        ("data.yaml", bool, r"train: images that are missing, .*: \d+ of \d+|no images for train"),
    ],
)
def test_an_entry_that_names_no_images_is_refused(
    entry: object, change: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        prepared(small_set(tmp_path / "mine", change, train=entry), tmp_path / "out")
