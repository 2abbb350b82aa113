from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from kdpipe.data import coco_annotations
from kdpipe.data.manifest import load_manifest
from kdpipe.data.prepare import prepare, source_changed
from kdpipe.errors import DataError, KdpipeError, ParamsError
from kdpipe.evaluation import load_truth
from kdpipe.params.schema import Data, Digits

MakeSet = Callable[..., Path]
GOOD = "0 0.5 0.5 0.4 0.4\n1 0.2 0.2 0.1 0.1\n"


@pytest.fixture
def make_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSet:
    """A small data set in Ultralytics' layout: two classes, three images in train, two in val."""
    monkeypatch.chdir(tmp_path)

    def make(**yaml: object) -> Path:
        folder = tmp_path / "mine"
        for split, count in (("train", 3), ("val", 2)):
            for kind in ("images", "labels"):
                (folder / kind / split).mkdir(parents=True)
            for index in range(count):
                pixels = np.random.default_rng([count, index]).integers(0, 255, (32, 40, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"images/{split}/{index}.jpg")
                (folder / f"labels/{split}/{index}.txt").write_text(GOOD)
        content = {"train": "images/train", "val": "images/val", "names": {0: "cat", 1: "dog"}, **yaml}
        OmegaConf.save(OmegaConf.create(content), folder / "data.yaml")
        return folder

    return make


def data(folder: Path) -> Data:
    return Data(source=str(folder), task="detect", digits=Digits())


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_good_set_is_copied_and_described(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    (folder / "labels/train/2.txt").unlink()
    before = snapshot(folder)
    manifest = prepare(data(folder), tmp_path / "out")
    assert snapshot(folder) == before
    assert manifest == load_manifest(tmp_path / "out")
    assert manifest.names == ["cat", "dog"]
    train = manifest.splits["train"]
    assert (train.images, train.negatives, train.objects) == (3, 1, 4)
    assert train.per_class == {"cat": 2, "dog": 2}
    assert train.box_sizes == {"small": 4, "medium": 0, "large": 0}
    assert (tmp_path / "out/preview.png").stat().st_size > 1000
    assert json.loads((tmp_path / "out/manifest.json").read_text())["digest"] == manifest.digest
    copied = tmp_path / "out/images/train/0.jpg"
    assert copied.read_bytes() == (folder / "images/train/0.jpg").read_bytes()


def test_the_digest_changes_with_images_labels_and_names(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    digests = [prepare(data(folder), tmp_path / "out").digest]
    assert prepare(data(folder), tmp_path / "other").digest == digests[0]
    (folder / "labels/val/0.txt").write_text("1 0.5 0.5 0.4 0.4\n")
    digests.append(prepare(data(folder), tmp_path / "out").digest)
    Image.new("RGB", (32, 32), "red").save(folder / "images/val/1.jpg")
    digests.append(prepare(data(folder), tmp_path / "out").digest)
    OmegaConf.save(
        {"train": "images/train", "val": "images/val", "names": ["dog", "cat"]}, folder / "data.yaml"
    )
    digests.append(prepare(data(folder), tmp_path / "out").digest)
    assert len(set(digests)) == 4


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("0 0.5 0.5 0.4\n", "line 1: 4 columns, where a detection label has 5"),
        ("0 0.5 0.5 1.4 0.4\n", "line 1: coordinates outside 0..1"),
        ("0 0.5 0.5 0 0.4\n", "line 1: a box without area"),
        ("2 0.5 0.5 0.4 0.4\n", "line 1: class id 2 outside 0..1"),
        ("-1 0.5 0.5 0.4 0.4\n", "class id -1 outside"),
        ("0.5 0.5 0.5 0.4 0.4\n", "class id 0.5 outside"),
        (GOOD + "cat 0.5 0.5 0.4 0.4\n", "line 3: not numbers"),
        (GOOD + "0 0.1 0.1 0.9 0.1 0.5 0.9\n", "boxes and outlines in one file"),
        ("0 nan 0.5 0.4 0.4\n", "not finite"),
    ],
)
def test_bad_labels_are_counted_and_shown(
    make_set: MakeSet, tmp_path: Path, label: str, message: str
) -> None:
    folder = make_set()
    for index in range(2):
        (folder / f"labels/train/{index}.txt").write_text(label)
    with pytest.raises(DataError) as error:
        prepare(data(folder), tmp_path / "out")
    assert "bad labels: 2" in str(error.value)
    assert "train/0.jpg" in str(error.value)
    assert message in str(error.value)


def test_unreadable_images_are_counted_and_shown(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    whole = (folder / "images/train/0.jpg").read_bytes()
    (folder / "images/train/0.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "images/train/1.jpg").write_bytes(b"no image")
    with pytest.raises(DataError) as error:
        prepare(data(folder), tmp_path / "out")
    assert "unreadable images: 2" in str(error.value)
    assert "0.jpg" in str(error.value)
    assert (folder / "images/train/1.jpg").read_bytes() == b"no image"


def test_a_polygon_counts_as_its_box(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    (folder / "labels/train/0.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    assert prepare(data(folder), tmp_path / "out").splits["train"].objects == 5


def test_an_image_in_two_splits_is_a_warning(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    (folder / "images/val/0.jpg").write_bytes((folder / "images/train/1.jpg").read_bytes())
    warnings = prepare(data(folder), tmp_path / "out").warnings
    assert warnings[0] == "images that are in train and in val: 1"
    assert "train/1.jpg = val/0.jpg" in warnings[1]


def test_bytes_after_the_end_of_a_jpeg_are_left_behind(make_set: MakeSet, tmp_path: Path) -> None:
    """Ultralytics would rewrite such a file in place while it trains."""
    folder = make_set()
    whole = (folder / "images/train/0.jpg").read_bytes()
    (folder / "images/train/0.jpg").write_bytes(whole + b"padding")
    prepare(data(folder), tmp_path / "out")
    assert (tmp_path / "out/images/train/0.jpg").read_bytes() == whole


def test_a_test_split_without_label_files_is_left_out(make_set: MakeSet, tmp_path: Path) -> None:
    """As COCO's, whose labels are not public."""
    folder = make_set(test="images/test")
    shutil.copytree(folder / "images/val", folder / "images/test")
    manifest = prepare(data(folder), tmp_path / "out")
    assert manifest.splits.keys() == {"train", "val"}
    assert any("test split has no label files" in warning for warning in manifest.warnings)
    assert "test" not in OmegaConf.load(tmp_path / "out/data.yaml")


def test_splits_without_images_or_objects_are_refused(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    for label in (folder / "labels/val").iterdir():
        label.write_text("")
    with pytest.raises(DataError, match="splits without any object: 1"):
        prepare(data(folder), tmp_path / "out")
    for image in (folder / "images/val").iterdir():
        image.unlink()
    with pytest.raises(DataError, match="no images for val"):
        prepare(data(folder), tmp_path / "out")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ({"names": {0: "cat", 2: "dog"}}, "class ids must run from 0 without gaps"),
        ({"names": {"cat": 0}}, "names: write a list, or a mapping"),
        ({"names": ["cat", "cat"]}, "more than one class is called cat"),
        ({"names": "cat"}, "names: write a list, or a mapping"),
        ({"nc": 3}, "nc: 3, but 2 names; write 2"),
        ({"val": "images/none"}, "images/none: no such folder or list"),
        ({"path": "elsewhere"}, "path: elsewhere is no folder"),
    ],
)
def test_a_wrong_data_yaml_is_refused(
    make_set: MakeSet, tmp_path: Path, yaml: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepare(data(make_set(**yaml)), tmp_path / "out")


def test_classes_are_in_the_order_of_their_numbers(make_set: MakeSet, tmp_path: Path) -> None:
    manifest = prepare(data(make_set(names={1: "dog", 0: "cat"})), tmp_path / "out")
    assert manifest.names == ["cat", "dog"]


def test_a_folder_must_hold_one_yaml(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    (folder / "environment.yml").write_text("name: base\ndependencies: [python]\n")
    (folder / ".travis.yml").write_text("language: python\n")
    (folder / "broken.yaml").write_text("{")
    assert prepare(data(folder), tmp_path / "out").names == ["cat", "dog"]
    (folder / "second.yaml").write_text("train: images\nnames: [a]")
    with pytest.raises(ParamsError, match=r"data\.yaml, second\.yaml"):
        prepare(data(folder), tmp_path / "out")


def test_images_of_the_same_name_from_two_folders_are_kept_apart(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set(train=["images/train", "images/more"])
    (folder / "images/more").mkdir()
    (folder / "labels/more").mkdir()
    Image.new("RGB", (32, 32), "blue").save(folder / "images/more/0.jpg")
    (folder / "labels/more/0.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    shutil.copyfile(folder / "images/more/0.jpg", folder / "images/more/0-1.jpg")
    assert prepare(data(folder), tmp_path / "out").splits["train"].objects == 7
    assert len(list((tmp_path / "out/images/train").iterdir())) == 5


def test_folders_beside_the_yaml_are_found_as_roboflow_writes_them(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set(train="../images/train", val="../images/val")
    assert prepare(data(folder), tmp_path / "out").splits["train"].images == 3


def test_a_list_of_images_is_read_relative_to_itself(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set(train="train.txt")
    (folder / "train.txt").write_text("./images/train/0.jpg\nimages/train/2.jpg\n")
    assert prepare(data(folder), tmp_path / "out").splits["train"].images == 2


def test_a_change_of_the_originals_is_noticed(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    prepare(data(folder), tmp_path / "out")
    assert not source_changed(data(folder))
    (folder / "labels/train/0.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    assert source_changed(data(folder))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["bccd", "fruits", "coco8", "coco128"])
def test_real_sets_are_prepared(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = prepare(data(shared_data / name), tmp_path / "out")
    assert manifest.splits["train"].objects > 10
    assert not any("unreadable" in warning for warning in manifest.warnings)


def test_a_missing_source_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KdpipeError, match=r"data\.source.*does not exist"):
        prepare(data(tmp_path / "none"), tmp_path / "out")


def annotations_of(folder: Path, classes: list[str]) -> dict[str, object]:
    """COCO's annotation of the val images: a small cat, and a crowd of cats."""
    images = sorted((folder / "images/val").iterdir())
    cat = {"category_id": 18, "bbox": [1, 2, 10, 10], "area": 30.5, "iscrowd": 0}
    crowd = {"category_id": 18, "bbox": [20, 2, 10, 10], "area": 90.0, "iscrowd": 1}
    other = {"category_id": 99, "bbox": [5, 5, 5, 5], "area": 25.0, "iscrowd": 0}
    return {
        "images": [
            {"id": 100 + i, "file_name": image.name, "width": 40, "height": 32}
            for i, image in enumerate(images)
        ],
        "categories": [{"id": 17 + i, "name": name} for i, name in enumerate(classes)],
        "annotations": [
            {"id": i, "image_id": 100, **found} for i, found in enumerate((cat, crowd, other), start=1)
        ],
    }


def annotate(folder: Path, content: object) -> None:
    """Store COCO annotations of the val images, with label files of the same objects."""
    (folder / "annotations").mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "annotations/instances_val.json").write_text(text)
    (folder / "labels/val/0.txt").write_text("0 0.15 0.21875 0.25 0.3125\n")
    (folder / "labels/val/1.txt").write_text("")


def test_annotations_of_coco_are_the_truth_where_there_are_any(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    annotate(folder, "")
    (folder / "annotations/instances_val.json").unlink()
    without = prepare(data(folder), tmp_path / "out")
    annotate(folder, annotations_of(folder, ["dog", "cat"]))
    manifest = prepare(data(folder), tmp_path / "out")
    assert manifest.digest != without.digest
    assert manifest.warnings == ["val: classes without an object: dog"]
    truth = load_truth(tmp_path / "out", "val")
    assert truth.image_ids == {"0.jpg": 100, "1.jpg": 101}
    assert truth.sizes["0.jpg"] == (40, 32)
    found = truth.coco.load_anns(truth.coco.get_ann_ids())
    assert [(a["category_id"], a["area"], a["iscrowd"]) for a in found] == [(1, 30.5, 0), (1, 90.0, 1)]


def changed(field: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["annotations"][0].update({field: value})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: content["categories"][1].update(name="bird"), "has no class 'cat'"),
        (lambda content: content["images"].pop(), "has 1 of 2 images"),
        (lambda content: content.pop("images"), "is no annotation file of COCO (KeyError: 'images')"),
        (lambda content: content["images"][0].update(width=0), "is no annotation file of COCO (ZeroDivision"),
        (changed("bbox", [1, 2]), "is no annotation file of COCO (ValueError: "),
        (changed("bbox", [20, 20, 10, 10]), "has other objects than the label files of 1 image: 0.jpg"),
        (changed("category_id", 17), "has other objects than the label files of 1 image: 0.jpg"),
        (changed("iscrowd", 1), "has other objects than the label files of 1 image: 0.jpg"),
        (changed("image_id", 101), "has other objects than the label files of 2 images: 0.jpg, 1.jpg"),
    ],
)
def test_annotations_that_do_not_fit_are_left_with_a_warning(
    make_set: MakeSet, tmp_path: Path, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    folder = make_set()
    content = annotations_of(folder, ["dog", "cat"])
    change(content)
    annotate(folder, content)
    warning, absent = prepare(data(folder), tmp_path / "out").warnings
    file = folder / "annotations/instances_val.json"
    assert warning.startswith(f"val is measured against its label files: {file} ")
    assert problem in warning
    assert "classes without an object" in absent
    assert len(load_truth(tmp_path / "out", "val").coco.get_ann_ids()) == 1


def test_people_without_a_labelled_keypoint_are_in_no_label_file(make_set: MakeSet, tmp_path: Path) -> None:
    """COCO's evaluation leaves them out too."""
    folder = make_set(kpt_shape=[1, 3])
    content: Any = annotations_of(folder, ["dog", "cat"])
    content["annotations"][0] |= {"keypoints": [4, 4, 2], "num_keypoints": 1}
    unlabelled = {"keypoints": [0, 0, 0], "num_keypoints": 0, "bbox": [30, 20, 5, 5]}
    content["annotations"].append({**content["annotations"][0], "id": 9, **unlabelled})
    annotate(folder, content)
    (folder / "annotations/instances_val.json").rename(folder / "annotations/person_keypoints_val.json")
    for path in folder.glob("labels/*/*.txt"):
        path.write_text("0 0.15 0.21875 0.25 0.3125 0.1 0.125 2\n" if path.name == "0.txt" else "")
    manifest = prepare(Data(source=str(folder), task="pose", digits=Digits()), tmp_path / "out")
    assert not any("measured against" in line or "other objects" in line for line in manifest.warnings)
    assert load_truth(tmp_path / "out", "val").annotated


def test_annotations_that_are_no_json_are_left_with_a_warning(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set()
    annotate(folder, "{")
    (warning, _) = prepare(data(folder), tmp_path / "out").warnings
    assert "instances_val.json is no annotation file of COCO (JSONDecodeError: " in warning


def test_annotations_of_which_few_differ_are_used_with_a_warning(
    make_set: MakeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coco_annotations, "MOST_UNLIKE", 0.5)  # of two images
    folder = make_set()
    content = annotations_of(folder, ["dog", "cat"])
    changed("bbox", [20, 20, 10, 10])(content)
    annotate(folder, content)
    warning, _ = prepare(data(folder), tmp_path / "out").warnings
    assert warning.startswith("val: ")
    assert warning.endswith("instances_val.json has other objects than the label files of 1 image: 0.jpg")
    assert load_truth(tmp_path / "out", "val").annotated


def test_annotations_of_images_of_one_name_are_not_used(make_set: MakeSet, tmp_path: Path) -> None:
    folder = make_set(val="images")
    annotate(folder, "{}")
    (folder / "annotations/instances_val.json").rename(folder / "annotations/instances_images.json")
    warnings = prepare(data(folder), tmp_path / "out").warnings
    assert "val is measured against its label files: images of one name are in several folders" in warnings
