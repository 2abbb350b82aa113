"""Splits that annotations come with are kept, or refused with a reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kdpipe.data.importing import import_data
from kdpipe.data.importing.given import named_splits
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.params.schema import Data

COUNTS = {"train": 5, "val": 3, "test": 2}
SIDE = 32


def image(path: Path) -> Path:
    """An image like no other; its name says its split."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(path.stem.encode(), "big") % 2**32
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8))
    return path


def names_of(split: str) -> list[str]:
    return [f"{split}{number}" for number in range(COUNTS[split])]


def yolo(folder: Path, images: str, labels: str, **called: str) -> Path:
    """Loose YOLO files, where `images` and `labels` say in which folder those of a split are."""
    for split in COUNTS:
        for number, stem in enumerate(names_of(split)):
            word = called.get(split, split)
            image(folder / images.format(word) / f"{stem}.png")
            label = folder / labels.format(word) / f"{stem}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(f"{number % 2} 0.5 0.5 0.5 0.5\n")
    (folder / "classes.txt").write_text("cat\ndog\n")
    return folder


def coco(names: list[str]) -> str:
    images = [{"id": n, "file_name": name, "width": SIDE, "height": SIDE} for n, name in enumerate(names)]
    found = [{"id": n + 1, "image_id": n, "category_id": 1, "bbox": [4, 4, 9, 9]} for n in range(len(names))]
    return json.dumps({"images": images, "annotations": found, "categories": [{"id": 1, "name": "cat"}]})


def voc(folder: Path) -> Path:
    box = "<bndbox><xmin>4</xmin><ymin>4</ymin><xmax>12</xmax><ymax>12</ymax></bndbox>"
    size = f"<size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets/Main").mkdir(parents=True)
    for split in COUNTS:
        for stem in names_of(split):
            image(folder / f"JPEGImages/{stem}.png")
            (folder / f"Annotations/{stem}.xml").write_text(
                f"<annotation><filename>{stem}.png</filename>{size}"
                f"<object><name>cat</name>{box}</object></annotation>"
            )
        (folder / f"ImageSets/Main/{split}.txt").write_text("\n".join(names_of(split)))
        (folder / f"ImageSets/Main/cat_{split}.txt").write_text("train0  1\n")
    both = [*names_of("train"), *names_of("val")]
    (folder / "ImageSets/Main/trainval.txt").write_text("\n".join(both))
    return folder


def darknet(folder: Path) -> Path:
    yolo(folder, "obj", "obj")
    (folder / "classes.txt").rename(folder / "obj.names")
    for split, word in {"train": "train", "val": "valid", "test": "test"}.items():
        lines = [f"data/obj/{stem}.png" for stem in names_of(split)]
        (folder / f"{word}.txt").write_text("\n".join(lines) + "\n")
    return folder


def coco_files(folder: Path) -> Path:
    """As COCO itself is laid out."""
    (folder / "annotations").mkdir(parents=True)
    for split in COUNTS:
        for stem in names_of(split):
            image(folder / f"{split}2017/{stem}.png")
        text = coco([f"{stem}.png" for stem in names_of(split)])
        (folder / f"annotations/instances_{split}2017.json").write_text(text)
    return folder


def coco_one_file(folder: Path) -> Path:
    names = [f"{split}/{stem}.png" for split in COUNTS for stem in names_of(split)]
    for name in names:
        image(folder / "images" / name)
    (folder / "all.json").write_text(coco(names))
    return folder


def cvat(folder: Path) -> Path:
    lines = []
    for split, subset in {"train": "Train", "val": "Validation", "test": "Test"}.items():
        for stem in names_of(split):
            image(folder / f"{stem}.png")
            lines.append(
                f'<image id="1" name="{stem}.png" subset="{subset}" width="{SIDE}" height="{SIDE}">'
                '<box label="cat" xtl="4" ytl="4" xbr="12" ybr="12" occluded="0"/></image>'
            )
    (folder / "annotations.xml").write_text(f"<annotations>{''.join(lines)}</annotations>")
    return folder / "annotations.xml"


def cvat_files(folder: Path) -> Path:
    for split in COUNTS:
        names = [image(folder / f"images/{split}/{stem}.png").name for stem in names_of(split)]
        box = '<box label="cat" xtl="4" ytl="4" xbr="12" ybr="12" occluded="0"/>'
        lines = [f'<image id="1" name="{n}" width="{SIDE}" height="{SIDE}">{box}</image>' for n in names]
        (folder / f"{split}.xml").write_text(f"<annotations>{''.join(lines)}</annotations>")
    return folder


def own_class_files(folder: Path) -> Path:
    """Each split with its own classes.txt, as labelImg writes it."""
    yolo(folder, "{}", "{}")
    for split in COUNTS:
        shutil.copy(folder / "classes.txt", folder / split)
    (folder / "classes.txt").unlink()
    return folder


def _renamed(folder: Path, *names: str) -> Path:
    """Other names for the files of train, val and test."""
    for word, name in zip(("train", "val", "test"), names, strict=True):
        (file,) = (path for path in folder.glob(f"*{word}*.*") if path.is_file())
        file.rename(file.with_name(f"{name}{file.suffix}"))
    return folder


Write = Callable[[Path], Path]
LAYOUTS: dict[str, Write] = {
    "images/train": lambda f: yolo(f, "images/{}", "labels/{}"),
    "one folder deeper": lambda f: yolo(f / "set", "images/{}", "labels/{}").parent,
    "two folders deeper": lambda f: yolo(f / "archive/set", "images/{}", "labels/{}").parent.parent,
    "deeper, classes.txt above": lambda f: yolo(f, "set/images/{}", "set/labels/{}"),
    "train/images": lambda f: yolo(f, "{}/images", "{}/labels"),
    "Train, Valid, Test": lambda f: yolo(f, "{}", "{}", train="Train", val="Valid", test="Test"),
    "validate": lambda f: yolo(f, "{}/images", "{}/labels", val="validate"),
    "training, validation, testing": lambda f: yolo(
        f, "images/{}", "labels/{}", train="training", val="validation", test="testing"
    ),
    "train2017": lambda f: yolo(f, "images/{}2017", "labels/{}2017"),
    "city-train": lambda f: yolo(f, "city-{}/images", "city-{}/labels"),
    "classes.txt in each": own_class_files,
    "ImageSets of VOC": voc,
    "lists of Darknet": darknet,
    "train_list.txt": lambda f: _renamed(darknet(f), "train_list", "val2017", "TESTLIST"),
    "a file for each, COCO": coco_files,
    "one file, COCO": coco_one_file,
    "subsets of CVAT": cvat,
    "a file for each, CVAT": cvat_files,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_given_splits_are_kept(layout: str, tmp_path: Path) -> None:
    done = import_data(
        LAYOUTS[layout](tmp_path / "theirs"), tmp_path / "out", "detect", images=None, groups=None, seed=0
    )
    assert done.images == COUNTS
    assert done.warnings == []
    for split in COUNTS:
        found = sorted((tmp_path / "out/images" / split).iterdir())
        assert [path.stem for path in found] == sorted(names_of(split))
        labels = [path.read_text() for path in (tmp_path / "out/labels" / split).iterdir()]
        assert all(labels)
    prepare(Data(source=str(done.yaml)), tmp_path / "dataset")


def also(folder: Path, *names: str) -> Path:
    for name in names:
        image(folder / name)
    return folder


def conflicting(folder: Path) -> Path:
    darknet(folder)
    (folder / "train").mkdir()
    shutil.move(folder / "obj/val0.png", folder / "train/val0.png")
    shutil.move(folder / "obj/val0.txt", folder / "train/val0.txt")
    return folder


def without(folder: Path, *gone: str) -> Path:
    for name in gone:
        shutil.rmtree(folder / name)
    return folder


REFUSED: dict[str, tuple[Write, str]] = {
    "val and valid": (
        lambda f: also(yolo(f, "{}/images", "{}/labels"), "valid/images/a.png"),
        "val and valid both stand for val; keep one",
    ),
    "val and validation below images": (
        lambda f: also(yolo(f, "images/{}", "labels/{}"), "images/validation/a.png"),
        "val and validation both stand for val; keep one",
    ),
    "an image in no split": (
        lambda f: also(yolo(f, "images/{}", "labels/{}"), "images/a.png"),
        "1 image is in no folder of a split",
    ),
    "a folder that is no split": (
        lambda f: also(own_class_files(f), "holdout/a.png"),
        "holdout has images too, beside",
    ),
    "no train": (
        lambda f: without(yolo(f, "images/{}", "labels/{}"), "images/train", "labels/train"),
        "found test and val, but no train",
    ),
    "a folder within another": (
        lambda f: also(yolo(f, "images/{}", "labels/{}"), "images/train/test/a.png"),
        "is in folders of test and train",
    ),
    "a list of what is not there": (
        lambda f: _shortened(darknet(f)),
        "valid.txt lists 1 image that is not there: data/obj/val0.png",
    ),
    "lists and folders that differ": (conflicting, "2 images are in no folder of a split"),
    "a list in two places": (
        lambda f: _copied(darknet(f)),
        "are lists of the same split; keep one",
    ),
    "an image in two lists": (lambda f: _twice(darknet(f)), "1 image is in val and in train"),
    "lists that are named otherwise": (
        lambda f: _renamed(darknet(f), "1_train", "2_valid", "3_test"),
        "the files 1_train.txt, 2_valid.txt, 3_test.txt look like splits; name them train, val and test",
    ),
    "folders that are named otherwise": (
        lambda f: yolo(f, "images/{}1", "labels/{}1"),
        "the folders test1, train1, val1 look like splits; name them train, val and test, or without",
    ),
    "COCO files that are named otherwise": (
        lambda f: _renamed(coco_files(f) / "annotations", "train.v1", "val.v1", "test.v1").parent,
        "the files test.v1.json, train.v1.json, val.v1.json look like splits",
    ),
    "a file that is of no split": (
        lambda f: _one_more(coco_files(f)),
        "are of splits, but not extra.json",
    ),
    "two files for a split": (
        lambda f: _captions(coco_files(f)),
        "instances_test2017 and person_keypoints_test2017 both stand for test; keep one",
    ),
}


def _shortened(folder: Path) -> Path:
    (folder / "obj/val0.png").unlink()
    (folder / "obj/val0.txt").unlink()
    return folder


def _copied(folder: Path) -> Path:
    (folder / "more").mkdir()
    shutil.copy(folder / "train.txt", folder / "more")
    return folder


def _twice(folder: Path) -> Path:
    with (folder / "valid.txt").open("a") as file:
        file.write("data/obj/train0.png\n")
    return folder


def _one_more(folder: Path) -> Path:
    (folder / "annotations/extra.json").write_text(coco(["a.png"]))
    return folder


def _captions(folder: Path) -> Path:
    for split in COUNTS:
        shutil.copy(
            folder / f"annotations/instances_{split}2017.json",
            folder / f"annotations/person_keypoints_{split}2017.json",
        )
    return folder


@pytest.mark.parametrize("what", REFUSED)
def test_splits_that_cannot_be_kept(what: str, tmp_path: Path) -> None:
    write, message = REFUSED[what]
    with pytest.raises(DataError) as error:
        import_data(write(tmp_path / "theirs"), tmp_path / "out", "detect", images=None, groups=None, seed=0)
    assert message in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs"]


def test_images_in_no_list_are_said(tmp_path: Path) -> None:
    folder = also(darknet(tmp_path / "theirs"), "obj/extra.png")
    (folder / "obj/extra.txt").touch()
    done = import_data(folder, tmp_path / "out", "detect", images=None, groups=None, seed=0)
    assert done.images == COUNTS
    [warning] = done.warnings
    assert warning.startswith("images that ")
    assert warning.endswith(" do not list are left out: 1 (extra.png)")


def test_images_without_annotations_are_said(tmp_path: Path) -> None:
    folder = also(voc(tmp_path / "theirs"), "JPEGImages/extra.png", "JPEGImages/.hidden.png")
    done = import_data(folder, tmp_path / "out", "detect", images=None, groups=None, seed=0)
    assert done.images == COUNTS
    assert done.warnings == [f"images without annotations are left out: 1 ({folder}/JPEGImages/extra.png)"]


def test_one_of_several_files_is_said(tmp_path: Path) -> None:
    file = coco_files(tmp_path / "theirs") / "annotations/instances_train2017.json"
    done = import_data(
        file, tmp_path / "out", "detect", images=tmp_path / "theirs/train2017", groups=None, seed=0
    )
    assert done.images == {"train": 4, "val": 1}
    assert any("instances_val2017.json" in line and "is not used" in line for line in done.warnings)


def test_labels_and_images_in_different_places(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs", "../images/{}", "{}")
    done = import_data(folder, tmp_path / "out", "detect", images=tmp_path / "images", groups=None, seed=0)
    assert done.images == COUNTS
    assert done.warnings == []


def test_a_word_within_a_name_is_no_split() -> None:
    assert named_splits(["bullet-train", "car", "latest", "testament"]) == {}
    assert named_splits(["x_train", "x_val", "y_test"]) == {"x_train": "train", "x_val": "val"}
    assert named_splits(["Train", "VALID", "testset"]) == {
        "Train": "train",
        "VALID": "val",
        "testset": "test",
    }
