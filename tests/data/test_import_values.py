"""Values, encodings and archives that tools or downloads spoil: right numbers, or one clear sentence."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kdpipe.data.importing import ImportResult, import_data
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.params.schema import Data
from tests.data.exports import coco_and_yolo, others, xml_tools
from tests.data.exports.truth import STEMS, written
from tests.data.test_exports import expected, objects, same


def imported(source: Path, out: Path, task: str = "detect") -> ImportResult:
    return import_data(source, out, task, images=None, groups=None, seed=0)


def packed(folder: Path, to: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    coco_and_yolo.label_studio_yolo(folder)
    with zipfile.ZipFile(to, "w", method) as file:
        for path in sorted(folder.rglob("*.*")):
            file.write(path, path.relative_to(folder))
    return to


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("spoil", [255, 6])
def test_a_zip_with_damaged_bytes(method: int, spoil: int, tmp_path: Path) -> None:
    source = packed(tmp_path / "set", tmp_path / "set.zip", method)
    with zipfile.ZipFile(source) as file:
        largest = max(file.infolist(), key=lambda one: one.compress_size)
    content = bytearray(source.read_bytes())
    start = largest.header_offset + 30 + len(largest.filename)
    content[start + 10 : start + 200] = bytes([spoil]) * 190
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.zip(: a broken zip \(.*; download| cannot be unpacked \(Inv)"):
        imported(source, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((f"{'n' * 300}.txt",), f"set.zip cannot be unpacked ({'n' * 60}: File name too long); unpack it"),
        (("a", "a/b.txt"), "set.zip cannot be unpacked (a/b.txt: Not a directory); unpack it yourself"),
        (("a/b/c.txt", "a/b"), "set.zip cannot be unpacked (a/b: Is a directory); unpack it yourself"),
    ],
)
def test_a_zip_with_names_that_a_disk_cannot_have(
    names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    source = packed(tmp_path / "set", tmp_path / "set.zip")
    with zipfile.ZipFile(source, "a") as file:
        for name in names:
            file.writestr(name, "text")
    with pytest.raises(DataError) as error:
        imported(source, tmp_path / "out")
    assert message in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


def test_a_zip_with_names_that_are_no_utf8(tmp_path: Path) -> None:
    source = packed(tmp_path / "set", tmp_path / "set.zip")
    with zipfile.ZipFile(source, "a") as file:
        file.writestr("größe.txt", "text")
    source.write_bytes(source.read_bytes().replace("größe".encode(), b"gr\xff\xfe\xff\xfee"))
    with pytest.raises(DataError, match=r"set\.zip: a broken zip \(.*codec can't decode"):
        imported(source, tmp_path / "out")


def declared(folder: Path, encoding: str, written_as: str, name: str) -> Path:
    """Pascal VOC whose dogs have another name, in some encoding."""
    xml_tools.voc(folder)
    for path in (folder / "Annotations").iterdir():
        text = path.read_text().replace("<name>dog", f"<name>{name}")
        written(path, f'<?xml version="1.0" encoding="{encoding}"?>\n{text}', encoding=written_as)
    return folder


@pytest.mark.parametrize(
    ("encoding", "written_as", "name"),
    [
        ("GB2312", "gb18030", "狗"),
        ("gb2312", "gb18030", "朱镕基"),  # whose second character is not in GB 2312
        ("GBK", "gb18030", "狗"),
        ("Shift_JIS", "shift_jis", "犬"),
        ("EUC-KR", "euc_kr", "개"),
        ("windows-1252", "cp1252", "größe"),
        ("UTF-16", "utf-16", "狗"),
        ("GB2312", "utf-8-sig", "狗"),  # saved again by an editor
        ("utf-8", "utf-8", "狗"),
    ],
)
def test_xml_is_read_in_the_encoding_that_it_declares(
    encoding: str, written_as: str, name: str, tmp_path: Path
) -> None:
    done = imported(declared(tmp_path / "theirs", encoding, written_as, name), tmp_path / "out")
    names = ["cat", name]
    assert done.objects["train"].keys() == set(names)
    for label in (tmp_path / "out/labels").rglob("*.txt"):
        wanted = [(name if one == "dog" else one, box) for one, box in expected(label.stem, "detect")]
        assert same(objects(label, names, "detect"), wanted)


@pytest.mark.parametrize(
    ("encoding", "written_as", "message"),
    [
        ("klingon", "utf-8", r"photo0\.xml, line 1: the encoding klingon is not known; save it as UTF-8"),
        ("hex", "utf-8", r"photo0\.xml, line 1: the encoding hex is not known"),
        ("undefined", "utf-8", r"photo0\.xml is no text in undefined, which its first line says; save it"),
        ("euc_jp", "gb18030", r"photo\d\.xml is no text in euc_jp, which its first line says; save it"),
    ],
)
def test_xml_of_an_encoding_that_is_not_known_is_refused(
    encoding: str, written_as: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        imported(declared(tmp_path / "theirs", encoding, written_as, "镕€"), tmp_path / "out")


def people(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """COCO whose categories name no keypoints, and whose first object of two keypoints can be changed."""
    source = coco_and_yolo.coco_keypoints(folder)
    content = json.loads(source.read_text())
    for category in content["categories"]:
        del category["keypoints"]
    for entry in content["annotations"]:
        entry["keypoints"] = [10, 12, 2, 20, 16, 1]
    change(content["annotations"][0])
    return written(source, json.dumps(content))


def first_line(out: Path) -> list[float]:
    [label] = (out / "labels").rglob("photo0.txt")
    return [float(word) for word in label.read_text().splitlines()[0].split()]


def test_keypoints_that_have_no_names_are_counted(tmp_path: Path) -> None:
    source = people(tmp_path / "theirs", lambda entry: entry.pop("keypoints"))
    done = imported(source, tmp_path / "out", "pose")
    assert yaml.safe_load(done.yaml.read_text())["kpt_shape"] == [2, 3]
    prepare(Data(source=str(done.yaml), task="pose"), tmp_path / "dataset")


@pytest.mark.parametrize("values", [[10, 12, 2], [10, 12, 2, 20], [10, 12]])
def test_keypoints_of_another_number_are_refused(values: list[int], tmp_path: Path) -> None:
    source = people(tmp_path / "theirs", lambda entry: entry.update(id=77, keypoints=values))
    assert sum(imported(source, tmp_path / "boxes").images.values()) == len(STEMS)
    with pytest.raises(DataError, match=r"keypoints\.json, annotation \d+: photo0\.jpg: \d numbers for keyp"):
        imported(source, tmp_path / "out", "pose")


def test_keypoints_of_other_numbers_in_val_are_refused(tmp_path: Path) -> None:
    folder = coco_and_yolo.roboflow_coco(tmp_path / "theirs")
    for split, count in (("train", 1), ("valid", 2), ("test", 1)):
        path = folder / split / "_annotations.coco.json"
        content = json.loads(path.read_text())
        for entry in content["annotations"]:
            entry["keypoints"] = [10, 12, 2] * count
        written(path, json.dumps(content))
    message = r"`kpt_shape` must be the same in each split; found: .*\[1, 3\] in train, \[2, 3\] in val"
    with pytest.raises(DataError, match=message):
        imported(folder, tmp_path / "out", "pose")


@pytest.mark.parametrize("outside", [[70, 20, 2], [-5, 20, 2], [10, 50, 1], [10, -9, 2]])
def test_keypoints_outside_of_the_image_are_not_labelled(outside: list[int], tmp_path: Path) -> None:
    change = {"keypoints": [*outside, 32, 12, 2]}
    done = imported(people(tmp_path / "theirs", lambda entry: entry.update(change)), tmp_path / "out", "pose")
    assert first_line(tmp_path / "out")[5:] == [0, 0, 0, 0.5, 0.25, 2]
    assert done.warnings[0] == "1 keypoint is outside of the image, and not labelled therefore"
    prepare(Data(source=str(done.yaml), task="pose"), tmp_path / "dataset")
    change = {"keypoints": [*outside, 0, 0, 0]}
    done = imported(
        people(tmp_path / "more", lambda entry: entry.update(change)), tmp_path / "more-out", "pose"
    )
    assert "objects that are left out: 1 of 9 (1 without a labelled keypoint)" in done.warnings


def without_objects(folder: Path, split: str) -> None:
    path = folder / split / "_annotations.coco.json"
    written(path, json.dumps(json.loads(path.read_text()) | {"annotations": []}))


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_of_background_images_is_read(split: str, tmp_path: Path) -> None:
    folder = coco_and_yolo.roboflow_coco(tmp_path / "theirs")
    without_objects(folder, split)
    done = imported(folder, tmp_path / "out")
    assert done.images == {"train": 3, "val": 2, "test": 1}
    assert f"{folder}/{split}/_annotations.coco.json: no object is annotated" in done.warnings
    written_as = {"valid": "val"}.get(split, split)
    assert {path.read_text() for path in (tmp_path / f"out/labels/{written_as}").iterdir()} == {""}


@pytest.mark.parametrize("parts", [["train"], ["train", "valid", "test"]])
def test_a_train_split_without_objects_is_refused(parts: list[str], tmp_path: Path) -> None:
    folder = coco_and_yolo.roboflow_coco(tmp_path / "theirs")
    for split in parts:
        without_objects(folder, split)
    with pytest.raises(DataError, match=r"training images have no object; .*json: no object is annotated"):
        imported(folder, tmp_path / "out")


def test_turned_boxes_that_reach_out_stay_as_they_are(tmp_path: Path) -> None:
    folder = others.dota(tmp_path / "theirs")
    written(folder / "train/labelTxt/photo0.txt", "-32 12 32 12 32 36 -32 36 cat 0\n")
    done = imported(folder, tmp_path / "obb", "obb")
    assert first_line(tmp_path / "obb") == [0, -0.5, 0.25, 0.5, 0.25, 0.5, 0.75, -0.5, 0.75]
    assert done.warnings == []
    done = imported(folder, tmp_path / "boxes")
    assert done.warnings == ["1 object reaches out of the image and is clipped to it"]


@pytest.mark.parametrize(("left", "said"), [(-0.2, True), (-0.03, True), (-0.01, False)])
def test_boxes_in_shares_that_reach_out_are_said(left: float, said: bool, tmp_path: Path) -> None:
    """A pixel is 1 / 64 of the width."""
    folder = coco_and_yolo.fiftyone(tmp_path / "theirs")
    content = json.loads((folder / "labels.json").read_text())
    content["labels"]["photo0"][0]["bounding_box"] = [left, 0.25, 0.5 - left, 0.5]
    written(folder / "labels.json", json.dumps(content))
    done = imported(folder, tmp_path / "out")
    assert first_line(tmp_path / "out")[1:] == [0.25, 0.5, 0.5, 0.5]
    assert ("1 object reaches out of the image and is clipped to it" in done.warnings) is said
