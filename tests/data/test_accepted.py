"""What Ultralytics goes on with, prepare goes on with too, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kdpipe.data.clipping import clipped_text
from kdpipe.data.labels import LabelRules
from kdpipe.data.manifest import Manifest
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.params.schema import Data
from tests.data.exports.truth import picture, written

Change = Callable[[Path], object]
LINE = "0 0.5 0.5 0.4 0.4\n1 0.2 0.2 0.1 0.1\n"


def made(folder: Path, line: str = LINE, train: int = 3, **content: object) -> Path:
    for split, count in (("train", train), ("val", 2)):
        for number in range(count):
            picture(folder / f"images/{split}/{split}{number}.jpg")
            written(folder / f"labels/{split}/{split}{number}.txt", line if number else LINE)
    fields = {"train": "images/train", "val": "images/val", "names": ["cat", "dog"], **content}
    return written(folder / "data.yaml", yaml.safe_dump(fields))


def prepared(source: Path, out: Path, task: str = "detect") -> Manifest:
    return prepare(Data(source=str(source), task=task), out)


@pytest.mark.parametrize(
    ("task", "line", "clipped"),
    [
        ("detect", "0 1.05 0.5 0.2 0.4", "0 0.975 0.5 0.05 0.4"),  # from 0.95 to 1.15
        ("detect", "0 0.5 -0.02 0.2 0.2", "0 0.5 0.04 0.2 0.08"),
        ("detect", "0 0.5 0.5 1.08 1.02", "0 0.5 0.5 1 1"),
        ("detect", "0 0.1 0.1 1.09 0.1 1.09 0.6", "0 0.1 0.1 1 0.1 1 0.6"),
        ("segment", "0 0.1 0.1 1.09 0.1 1.09 -0.05", "0 0.1 0.1 1 0.1 1 0"),
        ("pose", "0 1.05 0.5 0.2 0.4 0.9 0.5 2", "0 0.975 0.5 0.05 0.4 0.9 0.5 2"),
    ],
)
def test_labels_that_reach_a_little_out_are_clipped(
    task: str, line: str, clipped: str, tmp_path: Path
) -> None:
    more = {"kpt_shape": [1, 3]} if task == "pose" else {}
    source = made(tmp_path / "mine", f"{line}\n", **more)
    inside = clipped.replace("0.975", "0.5") + "\n"
    for split in ("train", "val"):
        written(tmp_path / f"mine/labels/{split}/{split}0.txt", inside)
    manifest = prepared(source, tmp_path / "out", task)
    assert (tmp_path / "out/labels/train/train1.txt").read_text() == f"{clipped}\n"
    assert (tmp_path / "out/labels/train/train0.txt").read_text() == inside
    said = [line for line in manifest.warnings if "out of the image" in line]
    assert said[0].startswith("train: labels that reach out of the image are clipped at its edge: 2: ")
    assert said[1].startswith("val: labels that reach out of the image are clipped at its edge: 1: ")


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("detect", "0 1.05 0.5 0.05 0.2"),  # from 1.025 on
        ("detect", "0 0.5 -0.05 0.2 0.1"),
        ("segment", "0 1.02 0.1 1.09 0.1 1.09 0.6"),
    ],
)
def test_labels_wholly_outside_are_wrong(task: str, line: str) -> None:
    rules = LabelRules(task, classes=1)
    assert clipped_text(f"{line}\n", rules) == (f"{line}\n", 0)
    assert rules.parse(line)[1] == [
        "line 1: coordinates outside 0..1 (they must be shares of width and height)"
    ]


@pytest.mark.parametrize("line", ["0 0.5 0.5 1.009 1.005", "0 0.99 0.5 0.9 0.4", "0 -0.009 0.5 0.2 0.4"])
def test_labels_within_the_tolerance_stay_as_they_are(line: str, tmp_path: Path) -> None:
    manifest = prepared(made(tmp_path / "mine", f"{line}\n"), tmp_path / "out")
    assert (tmp_path / "out/labels/train/train1.txt").read_text() == f"{line}\n"
    assert not any("out of the image" in line for line in manifest.warnings)


@pytest.mark.parametrize(
    "line", ["0 1.3 0.5 0.2 0.4", "0 32 24 10 10", "0 0.5 0.5 0.4 -0.1", "0 1.09 0.5 0.1 0.1"]
)
def test_labels_that_are_far_outside_are_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bad labels: 3"):
        prepared(made(tmp_path / "mine", f"{line}\n"), tmp_path / "out")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def test_a_broken_image_is_left_out(tmp_path: Path) -> None:
    source = made(tmp_path / "mine")
    cut(tmp_path / "mine/images/train/train1.jpg")
    manifest = prepared(source, tmp_path / "out")
    assert manifest.splits["train"].images == 2
    assert not (tmp_path / "out/images/train/train1.jpg").exists()
    assert not (tmp_path / "out/labels/train/train1.txt").exists()
    [said] = [line for line in manifest.warnings if "broken" in line]
    assert said.startswith(
        f"train: broken images are left out: 1: {tmp_path}/mine/images/train/train1.jpg (image"
    )
    cut(tmp_path / "mine/images/train/train2.jpg")
    with pytest.raises(DataError, match="unreadable images: 2"):
        prepared(source, tmp_path / "again")


def test_one_in_a_hundred_may_be_broken(tmp_path: Path) -> None:
    source = made(tmp_path / "mine", train=200)
    for number in (3, 4):
        cut(tmp_path / f"mine/images/train/train{number}.jpg")
    assert prepared(source, tmp_path / "out").splits["train"].images == 198
    cut(tmp_path / "mine/images/train/train5.jpg")
    with pytest.raises(DataError, match="unreadable images: 3"):
        prepared(source, tmp_path / "again")


def test_a_test_split_that_is_not_there_is_said(tmp_path: Path) -> None:
    manifest = prepared(made(tmp_path / "mine", test="../test/images"), tmp_path / "out")
    assert list(manifest.splits) == ["train", "val"]
    assert (
        manifest.warnings[0]
        == "data.yaml: test: ../test/images: no such folder or list, so there is no test split"
    )


def test_validation_is_val_and_blank_lines_of_lists_are_nothing(tmp_path: Path) -> None:
    source = made(tmp_path / "mine")
    fields = yaml.safe_load(source.read_text())
    fields["validation"] = fields.pop("val")
    fields["train"] = "train.txt"
    written(source, yaml.safe_dump(fields))
    lines = "\n\n".join(f"./images/train/train{number}.jpg" for number in range(3))
    written(tmp_path / "mine/train.txt", f"\ufeff\n{lines}\n\n \n")
    manifest = prepared(source, tmp_path / "out")
    assert {split: counts.images for split, counts in manifest.splits.items()} == {"train": 3, "val": 2}
    written_yaml = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert written_yaml["val"] == "images/val"
    assert "validation" not in written_yaml


def test_a_class_that_only_val_has_is_said(tmp_path: Path) -> None:
    source = made(tmp_path / "mine", names=["cat", "dog", "cow"])
    written(tmp_path / "mine/labels/val/val1.txt", "2 0.5 0.5 0.4 0.4\n")
    assert "train: classes without an object: cow" in prepared(source, tmp_path / "out").warnings


def test_a_line_that_is_cut_short_is_a_bad_label(tmp_path: Path) -> None:
    source = made(tmp_path / "mine", "0 1.02 0.5 0.2\n", kpt_shape=[1, 3])
    for split in ("train", "val"):
        written(tmp_path / f"mine/labels/{split}/{split}0.txt", "0 0.5 0.5 0.2 0.4 0.9 0.5 2\n")
    with pytest.raises(DataError, match="bad labels"):
        prepared(source, tmp_path / "out", "pose")
