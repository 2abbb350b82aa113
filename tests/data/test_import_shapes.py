"""Turned boxes, masks, ellipses and outlines in several parts, and messages with the line."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hotcoco import mask as rle

from kdpipe.data.importing import ImportResult, import_data
from kdpipe.errors import DataError
from tests.data.exports import coco_and_yolo, others, xml_tools
from tests.data.exports.truth import HEIGHT, STEMS, WIDTH, Coco, picture, written
from tests.data.test_exports import objects

PLACE = (slice(6, 22), slice(4, 24))  # rows and columns of a mask: the box 4, 6, 24, 22


def imported(source: Path, out: Path, task: str) -> ImportResult:
    return import_data(source, out, task, images=None, groups=None, seed=0)


def first(done: ImportResult, task: str) -> list[float]:
    """Values in pixels of the only object of the first picture."""
    names = yaml.safe_load(done.yaml.read_text())["names"]
    [label] = (done.yaml.parent / "labels").rglob("photo0.txt")
    [(_, values)] = objects(label, names, task)
    return values


def around(values: list[float]) -> list[float]:
    return [min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])]


def cvat(folder: Path, shape: str) -> Path:
    for stem in STEMS:
        picture(folder / f"{stem}.jpg")
    images = "".join(
        xml_tools.cvat_image(n, f"{stem}.jpg", shape if n == 0 else "") for n, stem in enumerate(STEMS)
    )
    return written(folder / "annotations.xml", xml_tools.cvat_text(images))


def test_a_turned_box_of_cvat(tmp_path: Path) -> None:
    """20 x 10 pixels around 30, 24, turned by 30 degrees clockwise as it is seen."""
    box = '<box label="cat" xtl="20" ytl="19" xbr="40" ybr="29" rotation="30" occluded="0"/>'
    source = cvat(tmp_path / "theirs", box)
    half = np.array([[-10, -5], [10, -5], [10, 5], [-10, 5]])
    turn = np.array([[np.sqrt(3) / 2, 0.5], [-0.5, np.sqrt(3) / 2]])  # a point to the right goes down
    corners = (half @ turn + [30, 24]).ravel().tolist()
    assert first(imported(source, tmp_path / "obb", "obb"), "obb") == pytest.approx(corners, abs=0.01)
    detected = first(imported(source, tmp_path / "detect", "detect"), "detect")
    assert detected == pytest.approx(around(corners), abs=0.01)
    segmented = first(imported(source, tmp_path / "segment", "segment"), "segment")
    assert segmented == pytest.approx(corners, abs=0.01)


def test_an_ellipse_of_cvat(tmp_path: Path) -> None:
    shape = '<ellipse label="cat" cx="30" cy="24" rx="12" ry="6" occluded="0"/>'
    source = cvat(tmp_path / "theirs", shape)
    detected = first(imported(source, tmp_path / "detect", "detect"), "detect")
    assert detected == pytest.approx([18, 18, 42, 30], abs=0.1)
    outline = first(imported(source, tmp_path / "segment", "segment"), "segment")
    assert all(
        ((x - 30) / 12) ** 2 + ((y - 24) / 6) ** 2 == pytest.approx(1, abs=0.01) for x, y in _pairs(outline)
    )


def _pairs(values: list[float]) -> list[tuple[float, float]]:
    return list(zip(values[::2], values[1::2], strict=True))


def mask() -> np.ndarray:
    """A mask with a step, so that rows and columns cannot be mistaken for each other."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[PLACE] = 1
    pixels[6:10, 4:14] = 0
    return pixels


def cvat_mask(folder: Path) -> Path:
    inside = mask()[PLACE].ravel()
    changes = np.flatnonzero(np.diff(inside, prepend=0))
    runs = np.diff([0, *changes, len(inside)])
    place = 'left="4" top="6" width="20" height="16"'
    return cvat(folder, f'<mask label="cat" rle="{", ".join(map(str, runs))}" {place} occluded="0"/>')


def coco_mask(folder: Path) -> Path:
    source = coco_and_yolo.coco_outlines(folder)
    content = json.loads(source.read_text())
    encoded = rle.encode(np.asfortranarray(mask()))
    content["annotations"][0]["segmentation"] = {**encoded, "counts": encoded["counts"].decode()}
    del content["annotations"][1]
    return written(source, json.dumps(content))


def labelme_mask(folder: Path) -> Path:
    others.labelme(folder)
    content = json.loads((folder / "photo0.json").read_text())
    png = base64.b64encode(cv2.imencode(".png", mask()[PLACE] * 255)[1].tobytes()).decode()
    shape = {"label": "cat", "points": [[4, 6], [24, 22]], "shape_type": "mask", "mask": png}
    written(folder / "photo0.json", json.dumps({**content, "shapes": [shape]}))
    return folder


@pytest.mark.parametrize("write", [cvat_mask, coco_mask, labelme_mask])
def test_a_mask_is_its_outline(write: Callable[[Path], Path], tmp_path: Path) -> None:
    source = write(tmp_path / "theirs")
    assert first(imported(source, tmp_path / "detect", "detect"), "detect") == pytest.approx(
        [4, 6, 24, 22], abs=0.01
    )
    outline = np.array(first(imported(source, tmp_path / "segment", "segment"), "segment"))
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(drawn, [outline.reshape(-1, 2).round().astype(np.int32)], 1)
    assert (drawn == mask()).all()


def test_an_object_in_two_parts_is_joined(tmp_path: Path) -> None:
    source = coco_and_yolo.coco_outlines(tmp_path / "theirs")
    content = json.loads(source.read_text())
    parts = [[4, 6, 10, 6, 10, 12], [16, 16, 24, 16, 24, 22]]
    content["annotations"][0] |= {"segmentation": parts, "bbox": [4, 6, 20, 16]}
    del content["annotations"][1]
    written(source, json.dumps(content))
    outline = first(imported(source, tmp_path / "out", "segment"), "segment")
    assert around(outline) == pytest.approx([4, 6, 24, 22], abs=0.01)
    assert {(round(x), round(y)) for x, y in _pairs(outline)} == {
        point for part in parts for point in _pairs(part)
    }


def test_a_circle_of_labelme_and_of_via(tmp_path: Path) -> None:
    labelme, via = others.labelme(tmp_path / "labelme"), others.via(tmp_path / "via")
    content = json.loads((labelme / "photo0.json").read_text())
    shapes = [{"label": "cat", "points": [[30, 24], [30, 34]], "shape_type": "circle"}]
    shapes += [{"label": "cat", "points": [[3, 2]], "shape_type": "point"}]
    written(labelme / "photo0.json", json.dumps({**content, "shapes": shapes}))
    done = imported(labelme, tmp_path / "labelme-out", "detect")
    assert first(done, "detect") == pytest.approx([20, 14, 40, 34], abs=0.1)
    assert done.warnings[0] == "labelme: shapes that cannot be used are left out: 1 point"
    regions = others.via_content()
    circle = {"name": "circle", "cx": 30, "cy": 24, "r": 10}
    regions["photo0.jpg12345"]["regions"] = [
        {"shape_attributes": circle, "region_attributes": {"class": "cat"}}
    ]
    written(via / "via_region_data.json", json.dumps(regions))
    assert first(imported(via, tmp_path / "via-out", "detect"), "detect") == pytest.approx(
        [20, 14, 40, 34], abs=0.1
    )


def test_a_turned_box_of_cvat_in_coco(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    for stem in STEMS:
        picture(folder / f"{stem}.jpg")
    style = Coco(of_object={"attributes": {"occluded": False, "rotation": 90.0}})
    written(folder / "a.json", style.text(STEMS[1:]))
    done = imported(folder, tmp_path / "out", "detect")
    [label] = (done.yaml.parent / "labels").rglob("photo1.txt")
    [(_, values)] = objects(label, ["dog", "cat"], "detect")
    assert values == pytest.approx([7, 4, 23, 24], abs=0.01)  # 5, 6, 25, 22 turned around 15, 14


def spoilt(write: Callable[[Path], Path], name: str, old: str, new: str) -> Callable[[Path], Path]:
    def write_and_spoil(folder: Path) -> Path:
        source = write(folder)
        text = (folder / name).read_text()
        assert old in text
        written(folder / name, text.replace(old, new, 1))
        return source

    return write_and_spoil


BROKEN = {
    "csv": (spoilt(others.csv, "labels.csv", "cat,5", "cat,x"), "labels.csv, line 4: 'x, 6, 25, 22': write"),
    "csv columns": (
        spoilt(others.csv, "labels.csv", ",25,22", ""),
        "labels.csv, line 4: 8 columns are needed: ",
    ),
    "csv header": (
        spoilt(others.csv, "labels.csv", "filename", "file"),
        "labels.csv, line 1: the first line must",
    ),
    "KITTI": (
        spoilt(others.kitti, "training/label_2/photo1.txt", "cat 0.00 0", "cat 0.00"),
        "photo1.txt, line 1: a line needs a class and 14 numbers (KITTI txt)",
    ),
    "DOTA": (
        spoilt(others.dota, "train/labelTxt/photo1.txt", "cat 0", "0"),
        "photo1.txt, line 3: a line needs x and y of four corners, a class and 0 or 1 (DOTA txt)",
    ),
    "VOC": (
        spoilt(xml_tools.voc, "Annotations/photo1.xml", "<xmin>6", "<xmin>"),
        "photo1.xml, line 12: ', 7, 25, 22': write finite numbers (Pascal VOC)",
    ),
    "no xml": (
        spoilt(xml_tools.voc, "Annotations/photo1.xml", "<name>cat", "<name>R&D"),
        "photo1.xml, line 8: no valid xml (not well-formed (invalid token)); export it again",
    ),
    "CVAT": (
        spoilt(xml_tools.cvat, "annotations.xml", 'xtl="5.00" ', ""),
        "annotations.xml, line 11: 'no xtl, 6.00, 25.00, 22.00': write finite numbers (CVAT xml)",
    ),
    "labelme": (
        spoilt(others.labelme, "photo1.json", '"label": "cat"', '"label": ""'),
        "photo1.json, shape 1: it has no `label` (labelme json)",
    ),
    "VIA": (
        spoilt(others.via, "via_region_data.json", '"x": 4.0, ', ""),
        "via_region_data.json, photo0.jpg, region 1: the rect has no 'x' (VIA json)",
    ),
    "FiftyOne": (
        spoilt(coco_and_yolo.fiftyone, "labels.json", '"label": 1', '"label": 7'),
        "labels.json, photo0, object 1: label 7 outside 0..1 (FiftyOne json)",
    ),
    "json": (lambda f: written(f / "a.json", "{}"), "is json of no known tool; known are COCO json, "),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_line_that_is_broken_is_named(what: str, tmp_path: Path) -> None:
    write, message = BROKEN[what]
    with pytest.raises(DataError) as error:
        imported(write(tmp_path / "theirs"), tmp_path / "out", "detect")
    assert message in str(error.value)
