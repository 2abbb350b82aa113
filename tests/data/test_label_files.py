"""Labels that do not meet their image: refused if that is certain or if they are many, else counted."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.errors import DataError
from tests.data.small import picture, prepared, small_set


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rename_image(name: str, label: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "images/train/0.png").rename(folder / f"images/train/{name}.png")
        (folder / "labels/train/0.txt").rename(folder / f"labels/train/{label}")

    return change


def beside(folder: Path) -> None:
    (folder / "labels/train/0.txt").rename(folder / "images/train/0.txt")


@pytest.mark.parametrize(
    "change",
    [
        rename_image("a b", "a%20b.txt"),
        rename_image("a%20b", "a b.txt"),
        rename_image("größe", unicodedata.normalize("NFD", "größe") + ".txt"),
        rename_image("a", "a.TXT"),
        rename_image("Photo", "photo.txt"),
        beside,
    ],
)
def test_labels_under_a_similar_name_are_refused(change: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="another name or in another place: 1: ") as error:
        prepared(small_set(tmp_path / "mine", change), tmp_path / "out")
    assert "(read from " in str(error.value)


def test_missing_labels_are_counted_and_empty_ones_are_not(tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        (folder / "labels/train/0.txt").unlink()
        (folder / "labels/train/1.txt").write_text("")

    manifest = prepared(small_set(tmp_path / "mine", change), tmp_path / "out")
    (warning,) = (line for line in manifest.warnings if "label file" in line)
    assert warning.startswith(
        "train: images without a label file, which count as images without objects: 1 of 3: "
    )
    assert warning.endswith("images/train/0.png")
    assert manifest.splits["train"].negatives == 2


def test_mostly_missing_labels_are_refused(tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        (folder / "labels/val/0.txt").unlink()
        (folder / "labels/val/1.txt").unlink()

    with pytest.raises(DataError, match=r"val: images without a label file: 2 of 3: .*needs an empty one"):
        prepared(small_set(tmp_path / "mine", change), tmp_path / "out")


def test_labels_without_an_image_are_said(tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        shutil.copy(folder / "labels/val/0.txt", folder / "labels/val/other.txt")
        (folder / "labels/val/classes.txt").write_text("cat\ndog\n")

    warnings = prepared(small_set(tmp_path / "mine", change), tmp_path / "out").warnings
    (warning,) = (line for line in warnings if "without an image" in line)
    assert warning.startswith("val: label files without an image: 1: ")
    assert warning.endswith("labels/val/other.txt")


def test_lists_that_share_a_folder_have_no_labels_too_many(tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        picture(50).save(folder / "images/train/3.png")
        (folder / "labels/train/3.txt").write_text("0 0.5 0.5 0.5 0.5\n")
        for split, numbers in (("train", (0, 1)), ("val", (2, 3))):
            (folder / f"{split}.txt").write_text("".join(f"./images/train/{n}.png\n" for n in numbers))

    source = small_set(tmp_path / "mine", change, train="train.txt", val="val.txt")
    manifest = prepared(source, tmp_path / "out")
    assert not any("label file" in line for line in manifest.warnings)
    assert manifest.splits["train"].images == manifest.splits["val"].images == 2
