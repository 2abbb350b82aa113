"""Annotations and results of COCO from files: AP is that of the reference."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from kdpipe.evaluation import evaluate
from kdpipe.evaluation.ap import OVERALL
from kdpipe.evaluation.coco_results import load_coco_results
from kdpipe.evaluation.coco_truth import load_coco_file
from kdpipe.models.tasks import TASKS
from tests.coco_files import CATEGORIES, IMAGES, annotations, found, written


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
    results = found(truth, task, share=0.9, noise=1.0)
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


def test_classes_have_the_order_of_their_ids(tmp_path: Path) -> None:
    annotated = load_coco_file(written(tmp_path, "truth.json", annotations()), "detect")
    assert annotated.truth.names == [f"class {number}" for number in CATEGORIES]
    assert annotated.categories == dict(zip(CATEGORIES, (1, 2, 3), strict=True))
    assert [annotated.images[one] for one in IMAGES] == list(annotated.truth.image_ids)
    order = np.argsort(IMAGES).argsort() + 1
    assert list(annotated.truth.image_ids.values()) == order.tolist()
