"""Annotations and results of COCO that cannot be used: one sentence says what is wrong, and where."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdpipe.errors import DataError
from kdpipe.evaluation.coco_results import load_coco_results
from kdpipe.evaluation.coco_truth import load_coco_file
from tests.coco_files import IMAGES, Entry, annotations, found, written

Edit = Callable[[Any], object]


def set_first(**values: object) -> Edit:
    return lambda results: results[0].update(values)


def drop_first(key: str) -> Edit:
    return lambda results: results[0].pop(key)


BAD_RESULTS: dict[str, tuple[str, Edit, str]] = {
    "unknown image": (
        "detect",
        set_first(image_id=5),
        rf"[0].image_id is 5, which TRUTH does not have; it has 12 images, ids from {min(IMAGES)} to ",
    ),
    "unknown category": (
        "detect",
        set_first(category_id=1),
        "[0].category_id is 1, which TRUTH does not have; it has 3 categories, ids from 3 to 90",
    ),
    "name for an id": (
        "detect",
        set_first(image_id="a.jpg"),
        "[0].image_id is 'a.jpg': should be a valid integer",
    ),
    "score is NaN": ("detect", set_first(score=float("nan")), "[0].score is nan: should be a finite number"),
    "score is infinite": (
        "detect",
        set_first(score=float("inf")),
        "[0].score is inf: should be a finite number",
    ),
    "no score": (
        "detect",
        drop_first("score"),
        "[0] has no `score`; expected is a list of results, each an object",
    ),
    "negative box": (
        "detect",
        set_first(bbox=[-1, -2, -3, -4]),
        "[0].bbox[2] is -3: should be greater than or equal to 0; expected is a list of results",
    ),
    "box of three": ("detect", set_first(bbox=[1, 2, 3]), "[0].bbox has no `3`"),
    "box of NaN": (
        "detect",
        set_first(bbox=[1, 2, float("nan"), 4]),
        "[0].bbox[2] is nan: should be a finite number",
    ),
    "no mask": ("segment", drop_first("segmentation"), "[0] has no `segmentation`"),
    "outline": (
        "segment",
        set_first(segmentation=[[1, 1, 9, 1, 9, 9]]),
        "[0].segmentation is a list of 1; expected",
    ),
    "mask of another size": (
        "segment",
        set_first(segmentation={"size": [9, 9], "counts": "1"}),
        "[0].segmentation.size is [9, 9] for an image of [200, 200] (height, width)",
    ),
    "no mask at all": (
        "segment",
        set_first(segmentation={"size": [200, 200], "counts": "garbage"}),
        "[0].segmentation.counts is no compressed mask: ",
    ),
    "points of other objects": (
        "pose",
        set_first(keypoints=[1, 1, 2]),
        "[0].keypoints has 3 values; the objects of TRUTH have 51",
    ),
}


@pytest.mark.parametrize("name", BAD_RESULTS)
def test_results_that_cannot_be_used_are_explained(tmp_path: Path, name: str) -> None:
    task, edit, message = BAD_RESULTS[name]
    truth = annotations(task)
    results = found(truth, task)
    edit(results)
    refused(tmp_path, truth, results, task, file="results.json", message=message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"annotations": [], "info": {}},
            "the file is an object with 'annotations', 'info'; expected is a list of",
        ),
        ([[1, 2, 3]], "[0] is a list of 3; expected is a list of results"),
        (None, "the file is None; expected is a list of results"),
        ("0.5", "the file is '0.5'; expected is a list of results"),
    ],
)
def test_another_format_is_named(tmp_path: Path, content: object, message: str) -> None:
    refused(tmp_path, annotations(), content, "detect", file="results.json", message=message)


def point_elsewhere(key: str) -> Edit:
    return lambda truth: truth["annotations"][4].update({key: 5})


BAD_TRUTH: dict[str, tuple[str, Edit, str]] = {
    "no classes": (
        "detect",
        lambda truth: truth.pop("categories"),
        "the file has no `categories`; expected is",
    ),
    "unknown image": (
        "detect",
        point_elsewhere("image_id"),
        "annotations[4].image_id is 5, which this file does not",
    ),
    "unknown class": (
        "detect",
        point_elsewhere("category_id"),
        "annotations[4].category_id is 5, which this file",
    ),
    "an image twice": (
        "detect",
        lambda truth: truth["images"].append(truth["images"][0]),
        f"the id {IMAGES[0]} is given to several images",
    ),
    "a class twice": (
        "detect",
        lambda truth: truth["categories"].append({"id": 90}),
        "the id 90 is given to several categories",
    ),
    "negative box": (
        "detect",
        lambda truth: truth["annotations"][1].update(bbox=[0, 0, -1, 5]),
        "annotations[1].bbox[2] is -1: should be greater than or equal to 0",
    ),
    "nothing to find": ("detect", lambda truth: truth.update(annotations=[]), "has no object that counts"),
    "crowds only": (
        "detect",
        lambda truth: truth.update(annotations=truth["annotations"][-1:]),
        "has no object that counts",
    ),
    "boxes for masks": (
        "segment",
        lambda truth: truth["annotations"][2].pop("segmentation"),
        "annotations[2] has no `segmentation`, which segment is measured by",
    ),
    "an image without a size": (
        "segment",
        lambda truth: truth["images"][0].pop("width"),
        f"annotations[0] is in image {IMAGES[0]}, which has no width and height",
    ),
    "no outline": (
        "segment",
        lambda truth: truth["annotations"][2].update(segmentation="x"),
        "annotations[2].segmentation is no outline and no mask: ",
    ),
    "boxes for keypoints": (
        "pose",
        lambda truth: truth["annotations"][2].pop("keypoints"),
        "annotations[2] has no `keypoints`, which pose is measured by",
    ),
    "keypoints of two kinds": (
        "pose",
        lambda truth: truth["annotations"][2].update(keypoints=[1, 1, 2]),
        "`keypoints` have 3, 51 values",
    ),
}


@pytest.mark.parametrize("name", BAD_TRUTH)
def test_annotations_that_cannot_be_used_are_explained(tmp_path: Path, name: str) -> None:
    task, edit, message = BAD_TRUTH[name]
    truth = annotations(task)
    edit(truth)
    refused(tmp_path, truth, [], task, file="truth.json", message=message)


def refused(folder: Path, truth: Entry, results: object, task: str, *, file: str, message: str) -> None:
    written(folder, "truth.json", truth)
    written(folder, "results.json", results)
    expected = message.replace("TRUTH", str(folder / "truth.json"))
    with pytest.raises(DataError, match=re.escape(expected)) as error:
        load_coco_results(folder / "results.json", load_coco_file(folder / "truth.json", task))
    assert str(error.value).startswith(str(folder / file))
    assert "\n" not in str(error.value)


def test_files_that_are_missing_or_cut_short_are_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    with pytest.raises(DataError, match=r"truth\.json cannot be read: No such file or directory"):
        load_coco_file(path, "detect")
    path.write_text('{"images": [')
    with pytest.raises(DataError, match=r"truth\.json: this is no JSON \(EOF while parsing"):
        load_coco_file(path, "detect")
