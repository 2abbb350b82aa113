"""Values of json files that are no numbers, lists or names: one sentence with file and place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdpipe.data.importing import import_data
from kdpipe.errors import DataError
from tests.data.exports import coco_and_yolo, others
from tests.data.exports.truth import written

Change = Callable[[Any], object]


def spoilt(source: Path, change: Change) -> None:
    content = json.loads(source.read_text())
    change(content)
    written(source, json.dumps(content))


def refused(source: Path, out: Path, task: str) -> str:
    with pytest.raises(DataError) as error:
        import_data(source, out, task, images=None, groups=None, seed=0)
    return str(error.value)


FINITE = "person_keypoints.json, annotation 1: photo0.jpg: coordinates must be finite numbers"


@pytest.mark.parametrize("task", ["detect", "pose"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keypoints": [10, None, 2]}, FINITE),
        ({"keypoints": ["10", "12", "2"]}, FINITE),
        ({"keypoints": "nose"}, FINITE),
        ({"keypoints": 5}, FINITE),
        ({"keypoints": [10**400, 12, 2]}, FINITE),
        ({"bbox": [10**400, 4, 5, 5]}, FINITE),
        ({"bbox": "4, 4, 5, 5"}, FINITE),
        ({"bbox": 5}, FINITE),
        ({"attributes": {"rotation": "x"}}, FINITE),
        ({"attributes": {"rotation": [30]}}, FINITE),
        ({"attributes": {"rotation": float("inf")}}, FINITE),
        ({"image_id": [1]}, "annotations[0]: `image_id` must be a number or a text, not [1]"),
        ({"image_id": None}, "annotations[0]: `image_id` must be a number or a text, not None"),
        ({"category_id": {}}, "annotations[0]: `category_id` must be a number or a text, not"),
        ({"id": None, "bbox": [1]}, "json, annotations[0]: photo0.jpg: coordinates must be finite numbers"),
    ],
)
def test_coco(task: str, values: dict[str, object], message: str, tmp_path: Path) -> None:
    source = coco_and_yolo.coco_keypoints(tmp_path / "theirs")
    spoilt(source, lambda content: content["annotations"][0].update(values))
    assert message in refused(source, tmp_path / "out", task)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["images"][0].update(id=[1]), "images[0]: `id` must be a number or a text, not [1]"),
        (lambda c: c["images"][0].update(width=[1]), "photo0.jpg: `width` and `height` must be numbers"),
        (lambda c: c["images"][0].update(width=10**400), "`width` and `height` must be numbers (COCO json)"),
        (
            lambda c: c["categories"][1].update(id={}),
            "categories[1]: `id` must be a number or a text, not {}",
        ),
        (lambda c: c["categories"][1].update(name=["a"]), "categories[1]: `name` must be a number or a text"),
        (lambda c: c.update(annotations=None), "annotations[0] has no `image_id` or no `category_id`"),
    ],
)
def test_images_and_categories_of_coco(change: Change, message: str, tmp_path: Path) -> None:
    source = coco_and_yolo.coco_keypoints(tmp_path / "theirs")
    spoilt(source, change)
    assert message in refused(source, tmp_path / "out", "pose")


def test_a_supercategory_that_is_no_text(tmp_path: Path) -> None:
    source = coco_and_yolo.coco_keypoints(tmp_path / "theirs")
    spoilt(source, lambda content: content["categories"][1].update(supercategory=["a"]))
    import_data(source, tmp_path / "out", "pose", images=None, groups=None, seed=0)


def fiftyone(content: Any) -> Any:
    return content["labels"]["photo0"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: fiftyone(c).update(bounding_box=None), "photo0, object 1: 'None': write finite numbers"),
        (lambda c: fiftyone(c).update(bounding_box="0.51"), "photo0, object 1: '0.51': write finite numbers"),
        (lambda c: fiftyone(c).update(bounding_box=[[0], 0, 1, 1]), "object 1: '[0], 0, 1, 1': write finite"),
        (lambda c: fiftyone(c).update(bounding_box=[10**400, 0, 1, 1]), "photo0, object 1: '1000"),
        (lambda c: fiftyone(c).update(label=None), "object 1: `label` must be the number or the name of a"),
        (lambda c: c.update(classes=5), "labels.json: `classes` must be a list of names (FiftyOne json)"),
        (lambda c: c["labels"].update(photo0=5), "labels.json, photo0: it needs a list of objects"),
    ],
)
def test_fiftyone(change: Change, message: str, tmp_path: Path) -> None:
    folder = coco_and_yolo.fiftyone(tmp_path / "theirs")
    spoilt(folder / "labels.json", change)
    assert message in refused(folder, tmp_path / "out", "detect")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"points": 5}, "photo0.json, shape 1: '5': write finite numbers (labelme json)"),
        ({"points": [5, 6]}, "photo0.json, shape 1: a rectangle of 1 points"),
        ({"points": [[1, 2], None]}, "photo0.json, shape 1: '[1, 2], None': write finite numbers"),
        ({"points": [[1, 2, 3], [4, 5, 6]]}, "photo0.json, shape 1: '[1, 2, 3], [4, 5, 6]': write"),
        ({"points": [["a", 2], [4, 5]]}, "photo0.json, shape 1: 'a, 2, 4, 5': write finite numbers"),
        ({"shape_type": "mask", "mask": "===="}, "photo0.jpg: a mask is no PNG (labelme json)"),
    ],
)
def test_labelme(values: dict[str, object], message: str, tmp_path: Path) -> None:
    folder = others.labelme(tmp_path / "theirs")
    spoilt(folder / "photo0.json", lambda content: content["shapes"][0].update(values))
    task = "segment" if "mask" in values else "detect"
    assert message in refused(folder, tmp_path / "out", task)


def test_a_kind_of_labelme_that_is_no_text(tmp_path: Path) -> None:
    folder = others.labelme(tmp_path / "theirs")
    spoilt(folder / "photo0.json", lambda content: content["shapes"][0].update(shape_type=["a"]))
    done = import_data(folder, tmp_path / "out", "detect", images=None, groups=None, seed=0)
    assert done.warnings[0] == "theirs: shapes that cannot be used are left out: 1 ['a']"


def region(content: Any) -> Any:
    return content["photo0.jpg12345"]["regions"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["photo0.jpg12345"].update(filename=5), "a picture has no `filename` (VIA json)"),
        (lambda c: c["photo0.jpg12345"].update(regions=5), "photo0.jpg: `regions` must be a list"),
        (
            lambda c: c["photo0.jpg12345"].update(regions=[5]),
            "photo0.jpg, region 1: `region_attributes` must",
        ),
        (lambda c: region(c).update(region_attributes=None), "region 1: `region_attributes` must be names"),
        (lambda c: region(c).update(shape_attributes=[1]), "region 1: `shape_attributes` must be names with"),
        (lambda c: region(c)["shape_attributes"].update(x=None), "region 1: 'None, 6.0, 20.0, 16.0': write"),
        (
            lambda c: region(c).update(
                shape_attributes={"name": "polygon", "all_points_x": 5, "all_points_y": [1]}
            ),
            "photo0.jpg, region 1: '5': write finite numbers (VIA json)",
        ),
    ],
)
def test_via(change: Change, message: str, tmp_path: Path) -> None:
    folder = others.via(tmp_path / "theirs")
    spoilt(folder / "via_region_data.json", change)
    assert message in refused(folder, tmp_path / "out", "detect")
