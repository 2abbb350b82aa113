"""Annotations and results of COCO from files: AP is that of the reference, and what is wrong is said."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdpipe.errors import DataError
from kdpipe.evaluation import evaluate
from kdpipe.evaluation.ap import OVERALL
from kdpipe.evaluation.coco_results import load_coco_results
from kdpipe.evaluation.coco_truth import load_coco_file
from kdpipe.models.tasks import TASKS
from tests.coco_files import CATEGORIES, IMAGES, Entry, annotations, found, written

Edit = Callable[[Any], object]


def ours(folder: Path, task: str) -> dict[str, float]:
    annotated = load_coco_file(folder / "truth.json", task)
    results = load_coco_results(folder / "results.json", annotated)
    metrics, deviations = evaluate(annotated.truth, results, resamples=20, seed=0)
    assert len(deviations["AP"]) == 20
    return metrics


def theirs(folder: Path, task: str, reference: str) -> list[float]:
    if reference == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(str(folder / "truth.json"))
        theirs = COCOeval(ground, ground.loadRes(str(folder / "results.json")), TASKS[task].iou_type)
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    return [float(value) for value in theirs.stats[:3]]


@pytest.mark.parametrize("reference", ["pycocotools", "faster_coco_eval"])
@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_ap_is_that_of_the_reference(tmp_path: Path, task: str, reference: str) -> None:
    """With a crowd, an image without objects, and ids beyond what a float tells apart."""
    truth = annotations(task)
    written(tmp_path, "truth.json", truth)
    results = found(truth, task, share=0.8, noise=2.0)
    results += [one | {"score": 0.5, "image_id": IMAGES[-1]} for one in results[::7]]
    written(tmp_path, "results.json", results)
    expected = theirs(tmp_path, task, reference)
    assert 0.1 < expected[0] < 0.9
    assert [ours(tmp_path, task)[f"coco/{name}"] for name in OVERALL[:3]] == pytest.approx(expected, abs=1e-6)


def test_half_of_the_objects_have_half_of_the_ap(tmp_path: Path) -> None:
    """AP is the mean over 101 recalls: 6 of 11 objects reach those up to 0.54, with a precision of 1."""
    truth = annotations(crowd=False)
    written(tmp_path, "truth.json", truth)
    some = [one for one in found(truth) if one["image_id"] in IMAGES[:6]]
    written(tmp_path, "results.json", some)
    metrics = ours(tmp_path, "detect")
    assert metrics["coco/AP"] == pytest.approx(55 / 101, abs=1e-6)
    assert metrics["coco/class/class 90"] == pytest.approx(55 / 101, abs=1e-6)


def test_a_crowd_counts_neither_as_right_nor_as_wrong(tmp_path: Path) -> None:
    truth = annotations(crowd=True)
    written(tmp_path, "truth.json", truth)
    (crowd,) = (one for one in truth["annotations"] if one["iscrowd"])
    inside = {"image_id": crowd["image_id"], "category_id": crowd["category_id"], "score": 1.0}
    written(tmp_path, "results.json", [*found(truth), inside | {"bbox": [120, 120, 30, 30]}])
    assert ours(tmp_path, "detect")["coco/AP"] == pytest.approx(1)


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_nothing_found_is_an_ap_of_0(tmp_path: Path, task: str) -> None:
    written(tmp_path, "truth.json", annotations(task))
    written(tmp_path, "results.json", [])
    assert ours(tmp_path, task)["coco/AP"] == 0


def test_area_and_crowd_may_be_left_out(tmp_path: Path) -> None:
    truth = annotations(crowd=False)
    results = found(truth)
    truth["annotations"] = [
        {key: one[key] for key in ("image_id", "category_id", "bbox")} for one in truth["annotations"]
    ]
    written(tmp_path, "truth.json", truth)
    written(tmp_path, "results.json", results)
    metrics = ours(tmp_path, "detect")
    assert metrics["coco/AP"] == pytest.approx(1)
    assert metrics["coco/APm"] == pytest.approx(1)


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
        ours(folder, task)
    assert str(error.value).startswith(str(folder / file))
    assert "\n" not in str(error.value)


def test_files_that_are_missing_or_cut_short_are_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    with pytest.raises(DataError, match=r"truth\.json cannot be read: No such file or directory"):
        load_coco_file(path, "detect")
    path.write_text('{"images": [')
    with pytest.raises(DataError, match=r"truth\.json: this is no JSON \(EOF while parsing"):
        load_coco_file(path, "detect")


def test_classes_have_the_order_of_their_ids(tmp_path: Path) -> None:
    annotated = load_coco_file(written(tmp_path, "truth.json", annotations()), "detect")
    assert annotated.truth.names == [f"class {number}" for number in CATEGORIES]
    assert annotated.categories == dict(zip(CATEGORIES, (1, 2, 3), strict=True))
    assert [annotated.images[one] for one in IMAGES] == list(annotated.truth.image_ids)
    order = np.argsort(IMAGES).argsort() + 1
    assert list(annotated.truth.image_ids.values()) == order.tolist()
