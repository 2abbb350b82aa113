"""Data of other tools, made by other tools' writers from data whose labels are known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hotcoco import COCO
from omegaconf import OmegaConf

from kdpipe.data.importing import ImportResult, import_data
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.params.schema import Data

SIZE, IMAGES, NAMES = 100, 30, ["cat", "dog"]
Write = Callable[[Path], Path]


def coco_dataset() -> dict[str, list[dict[str, object]]]:
    """An object on each image: dogs on every fifth, cats on the others."""
    annotations: list[dict[str, object]] = [
        {
            "id": n + 1,
            "image_id": n + 1,
            "category_id": 7 if n % 5 == 0 else 3,
            "bbox": [10 + n, 20, 30, 40],
            "segmentation": [[10 + n, 20, 40 + n, 20, 40 + n, 60]],
            "keypoints": [20 + n, 30, 2, 0, 0, 0],
            "num_keypoints": 1,
            "area": 1200,
            "iscrowd": 0,
        }
        for n in range(IMAGES)
    ]
    images: list[dict[str, object]] = [
        {"id": n + 1, "file_name": f"cam{n // 10}_{n}.png", "width": SIZE, "height": SIZE}
        for n in range(IMAGES)
    ]
    keypoints = {"keypoints": ["nose", "tail"], "skeleton": []}
    categories = [{"id": 3, "name": "cat", **keypoints}, {"id": 7, "name": "dog", **keypoints}]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n, image in enumerate(coco_dataset()["images"]):
        noise = np.random.default_rng(n).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / str(image["file_name"])), noise)


def as_coco(folder: Path) -> Path:
    write_images(folder / "images")
    (folder / "instances.json").write_text(json.dumps(coco_dataset()))
    return folder / "instances.json"


def as_voc(folder: Path) -> Path:
    write_images(folder / "JPEGImages")
    COCO(coco_dataset()).to_voc(str(folder))
    return folder


def as_cvat(folder: Path) -> Path:
    write_images(folder)
    COCO(coco_dataset()).to_cvat(str(folder / "annotations.xml"))
    return folder / "annotations.xml"


def as_yolo(folder: Path) -> Path:
    """Labels beside images, and the names, as labelImg leaves them."""
    write_images(folder)
    COCO(coco_dataset()).to_yolo(str(folder))
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_text("\n".join(NAMES))
    return folder


def imported(
    source: Path, out: Path, task: str = "detect", groups: str | None = None, seed: int = 0
) -> ImportResult:
    return import_data(source, out, task, images=None, groups=groups, seed=seed)


def labels(done: ImportResult, split: str) -> dict[str, list[float]]:
    folder = done.yaml.parent / "labels" / split
    return {path.stem: [float(word) for word in path.read_text().split()] for path in folder.iterdir()}


@pytest.mark.parametrize("write", [as_coco, as_voc, as_cvat, as_yolo])
def test_every_format_gives_the_same_labels(tmp_path: Path, write: Write) -> None:
    done = imported(write(tmp_path / "theirs"), tmp_path / "out")
    assert OmegaConf.load(done.yaml)["names"] == NAMES
    assert done.images == {"train": 24, "val": 6}
    found = labels(done, "train") | labels(done, "val")
    for n in range(IMAGES):
        values = [float(n % 5 == 0), (25 + n) / SIZE, 0.4, 0.3, 0.4]
        assert found[f"cam{n // 10}_{n}"] == pytest.approx(values, abs=0.011)  # VOC has whole pixels
    manifest = prepare(Data(source=str(done.yaml)), tmp_path / "dataset")
    assert manifest.splits["val"].per_class == {"cat": 5, "dog": 1}  # as in train: one in five is a dog


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("segment", [0.1, 0.2, 0.4, 0.2, 0.4, 0.6]),
        ("pose", [0.25, 0.4, 0.3, 0.4, 0.2, 0.3, 2, 0, 0, 0]),
    ],
)
def test_outlines_and_keypoints_of_coco(tmp_path: Path, task: str, expected: list[float]) -> None:
    done = imported(as_coco(tmp_path / "theirs"), tmp_path / "out", task)
    found = labels(done, "train") | labels(done, "val")
    assert found["cam0_0"] == pytest.approx([1, *expected])
    prepare(Data(source=str(done.yaml), task=task), tmp_path / "dataset")


@pytest.mark.parametrize(
    ("write", "task"), [(as_voc, "segment"), (as_voc, "pose"), (as_voc, "obb"), (as_coco, "obb")]
)
def test_boxes_are_not_taken_for_more(tmp_path: Path, write: Write, task: str) -> None:
    with pytest.raises(DataError, match=f"which {task} learns from"):
        imported(write(tmp_path / "theirs"), tmp_path / "out", task)


def test_groups_stay_together_and_a_seed_means_a_split(tmp_path: Path) -> None:
    source = as_yolo(tmp_path / "theirs")
    together = imported(source, tmp_path / "a", groups=r"(cam\d+)_")
    cameras = [{name.split("_")[0] for name in labels(together, split)} for split in ("train", "val")]
    assert len(cameras[1]) == 1
    assert not cameras[0] & cameras[1]
    same, other = imported(source, tmp_path / "b"), imported(source, tmp_path / "c")
    assert labels(same, "val") == labels(other, "val")
    assert labels(imported(source, tmp_path / "d", seed=1), "val") != labels(same, "val")


def test_augmented_copies_of_an_image_stay_together(tmp_path: Path) -> None:
    source = as_yolo(tmp_path / "theirs")
    for path in [*source.glob("*.png"), *source.glob("cam*.txt")]:
        stem = f"photo{int(path.stem.split('_')[1]) // 3}_jpg.rf.{path.stem.replace('_', '')}"
        path.rename(path.with_name(stem + path.suffix))
    done = imported(source, tmp_path / "out")
    photos = [{name.split(".")[0] for name in labels(done, split)} for split in ("train", "val")]
    assert not photos[0] & photos[1]


def test_folders_of_splits_are_the_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        as_coco(tmp_path / "theirs" / split)
    assert imported(tmp_path / "theirs", tmp_path / "out").images == {"train": 30, "val": 30, "test": 30}


def test_a_split_may_lack_a_class(tmp_path: Path) -> None:
    as_voc(tmp_path / "theirs/train")
    val = as_voc(tmp_path / "theirs/val")
    for path in val.glob("Annotations/*.xml"):
        if "<name>cat</name>" in path.read_text():
            path.unlink()
    done = imported(tmp_path / "theirs", tmp_path / "out")
    assert OmegaConf.load(done.yaml)["names"] == NAMES
    assert {line[0] for line in labels(done, "val").values()} == {NAMES.index("dog")}


def test_a_class_that_only_val_has_comes_last(tmp_path: Path) -> None:
    as_yolo(tmp_path / "theirs/train")
    val = as_yolo(tmp_path / "theirs/val")
    (val / "classes.txt").write_text("cow\ncat\ndog")
    for path in val.glob("cam*.txt"):
        path.write_text(f"{int(path.read_text()[0]) + 1}{path.read_text()[1:]}")
    (val / "cam0_0.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    done = imported(tmp_path / "theirs", tmp_path / "out")
    assert OmegaConf.load(done.yaml)["names"] == [*NAMES, "cow"]
    assert done.objects["val"] == {"cat": 24, "dog": 5, "cow": 1}
    assert "val has classes that train has not: cow" in done.warnings


def test_names_that_lead_elsewhere_or_differ_in_their_suffix_alone(tmp_path: Path) -> None:
    source = as_coco(tmp_path / "theirs")
    content = json.loads(source.read_text())
    images = source.parent / "images"
    (images / "cam0_1.png").rename(images / "cam0_0.jpg")
    content["images"][1]["file_name"] = "cam0_0.jpg"
    for image in content["images"]:
        image["file_name"] = str(images / image["file_name"])
    source.write_text(json.dumps(content))
    (images / "cam0_2.txt").write_text("mine\n")
    done = imported(source, tmp_path / "out")
    assert (images / "cam0_2.txt").read_text() == "mine\n"
    assert sorted(path.name for path in images.glob("*.txt")) == ["cam0_2.txt"]
    found = labels(done, "train") | labels(done, "val")
    assert len(found) == IMAGES
    assert all(len(values) == 5 for values in found.values())  # an object on each, as before


def test_the_originals_are_only_read(tmp_path: Path) -> None:
    source = as_voc(tmp_path / "theirs")
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    imported(source, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*")} == before


def _without_images(folder: Path) -> Path:
    source = as_coco(folder)
    shutil.rmtree(folder / "images")
    return source


def _without_names(folder: Path) -> Path:
    source = as_yolo(folder)
    (source / "classes.txt").unlink()
    return source


def _with_yaml(folder: Path) -> Path:
    source = as_yolo(folder)
    (source / "data.yaml").write_text("train: .\nval: .\nnames: [cat, dog]")
    return source


def _broken(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.json").write_text("{")
    return folder / "a.json"


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: folder, "does not exist"),
        (_empty, "found no annotations; known are COCO json, "),
        (_broken, r"a\.json, line 1: no valid json"),
        (_without_images, "images that are missing: 30 of 30"),
        (_without_names, "class names are missing; write them into"),
        (_with_yaml, "has a data yaml already: write data.source:"),
    ],
)
def test_what_cannot_be_imported_is_said(tmp_path: Path, write: Write, message: str) -> None:
    with pytest.raises(DataError, match=message):
        imported(write(tmp_path / "theirs"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty"):
        imported(as_yolo(tmp_path / "theirs"), tmp_path / "out")
