"""Masks, keypoints and rotated boxes: labels, drawings, and their AP against the reference."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import hotcoco
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from kdpipe.data import digits
from kdpipe.data.labels import LabelRules
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.evaluation import Truth, evaluate, load_predictions, load_truth, save_predictions
from kdpipe.models.tasks import TASKS, metric_name
from kdpipe.params.schema import Data, Digits

OPTIONS = Digits(train=8, val=40, test=8, size=96)
NAMES = ("AP", "AP50", "AP75")
Entry = dict[str, Any]
Noise = Callable[[int, float], Any]
"""So many random numbers of this size."""


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("metrics/mAP50-95(B)", "detect", "metrics/mAP50-95"),
        ("metrics/mAP50-95(B)", "obb", "metrics/mAP50-95"),
        ("metrics/mAP50-95(M)", "segment", "metrics/mAP50-95"),
        ("metrics/mAP50-95(B)", "segment", "metrics/box/mAP50-95"),
        ("metrics/recall(P)", "pose", "metrics/recall"),
        ("train/box_loss", "pose", "train/box_loss"),
    ],
)
def test_what_the_task_is_about_has_the_plain_name(name: str, task: str, expected: str) -> None:
    assert metric_name(name, task) == expected


@pytest.mark.parametrize(
    ("task", "line", "problem"),
    [
        ("segment", "0 0.5 0.5 0.2 0.2", "5 columns, where an outline has a class and x y of 3 points"),
        ("segment", "0 0.1 0.1 0.5 0.1 0.5", "6 columns, where an outline"),
        ("segment", "0 0.1 0.1 0.5 0.1 1.5 0.5", "outside 0..1"),
        ("segment", "0 0.1 0.1 0.5 0.1 0.8 0.1", "without area"),
        ("obb", "0 0.5 0.5 0.2 0.2", "5 columns, where a rotated box has 9"),
        ("obb", "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 5.0", "outside 0..1"),
        ("pose", "0 0.5 0.5 0.2 0.2", r"5 columns, where kpt_shape \[2, 3\] makes 11"),
        ("pose", "0 0.5 0.5 0.2 0.2 0.4 0.4 2 0.6 7 2", "outside 0..1"),
        ("pose", "0 0.5 0.5 0 0.2 0.4 0.4 2 0.6 0.6 2", "without area"),
    ],
)
def test_a_bad_label_is_explained(task: str, line: str, problem: str) -> None:
    labels, problems = LabelRules(task, classes=1, kpt_shape=(2, 3)).parse(line)
    assert not labels
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(problems[0])


def test_the_visibility_of_a_keypoint_is_no_coordinate() -> None:
    (label,), problems = LabelRules("pose", 1, (2, 3)).parse("0 0.5 0.5 0.2 0.2 0.4 0.4 2 0.6 0.6 1")
    assert problems == []
    assert label.points == (0.4, 0.4, 2, 0.6, 0.6, 1)


def test_pose_data_must_say_what_a_keypoint_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    prepare(Data(source="digits", task="detect", digits=OPTIONS), folder)
    with pytest.raises(DataError, match=r"pose needs kpt_shape in the data yaml, such as \[17, 3\].*None"):
        prepare(Data(source=str(folder), task="pose", digits=OPTIONS), tmp_path / "out")


def glyphs(turn: float) -> list[digits.Glyph]:
    return [g for i in range(40) for g in digits.draw_scene(OPTIONS, "val", i, turn).glyphs]


def test_outlines_hold_the_ink() -> None:
    for glyph in glyphs(digits.TURN):
        ink = (glyph.ink > digits.VISIBLE_INK).astype(np.uint8)
        filled = np.zeros_like(ink)
        cv2.fillPoly(filled, [np.round(glyph.outline() - 0.5).astype(int)], 1)
        assert (ink & ~filled).sum() < 0.1 * ink.sum()


def test_corners_are_a_tight_box_turned_with_the_digit() -> None:
    for glyph in glyphs(digits.WIDE_TURN):
        corners = glyph.corners()
        right, down = corners[1] - corners[0], corners[3] - corners[0]
        assert right @ down == pytest.approx(0, abs=1e-6)
        assert np.degrees(np.arctan2(-right[1], right[0])) == pytest.approx(glyph.turn)
        ys, xs = np.nonzero(glyph.ink > digits.VISIBLE_INK)
        offsets = np.column_stack([xs + 0.5, ys + 0.5]) - corners[0]
        for side in (right, down):
            shares = offsets @ side / (side @ side)
            assert shares.min() * np.linalg.norm(side) == pytest.approx(0.5)
            assert (1 - shares.max()) * np.linalg.norm(side) == pytest.approx(0.5)


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Truth]:
    found = {}
    for task in FIND:
        folder = tmp_path_factory.mktemp(task)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            prepare(Data(source="digits", task=task, digits=OPTIONS), folder / "dataset")
        found[task] = load_truth(folder / "dataset", "val")
    return found


def a_box(found: Entry, noise: Noise) -> list[float]:
    return (np.array(found["bbox"]) + noise(4, 1.0)).tolist()


def a_mask(found: Entry, noise: Noise) -> Entry:
    size = OPTIONS.size
    polygon = (np.array(found["segmentation"][0]) + noise(1, 2.0)).clip(0, size).tolist()
    (counts,) = rle.frPyObjects([polygon], size, size)
    mask = {"size": [size, size], "counts": counts["counts"].decode()}
    return {"bbox": a_box(found, noise), "segmentation": mask}


def a_pose(found: Entry, noise: Noise) -> Entry:
    points = np.array(found["keypoints"]).reshape(-1, 3)
    points[:, :2] += noise(len(points) * 2, 4.0).reshape(-1, 2)
    return {"bbox": a_box(found, noise), "keypoints": points.flatten().tolist()}


def a_rotated_box(found: Entry, noise: Noise) -> Entry:
    return {"rbox": (np.array(found["obb"]) + noise(5, 1.0) * [1, 1, 1, 1, 0.1]).tolist()}


FIND: dict[str, Callable[[Entry, Noise], Entry]] = {
    "detect": lambda found, noise: {"bbox": a_box(found, noise)},
    "segment": a_mask,
    "pose": a_pose,
    "obb": a_rotated_box,
}


def predicted(truth: Truth, *, exact: bool = False) -> list[Entry]:
    """Predictions as Ultralytics writes them: the objects; or a little beside, some missed or misnamed."""
    rng = np.random.default_rng(0)
    names = {number: name for name, number in truth.image_ids.items()}
    entries = []
    for found in truth.coco.load_anns(truth.coco.get_ann_ids()):
        common = {"file_name": names[found["image_id"]], "score": round(float(rng.random()), 5)}
        common["category_id"] = found["category_id"]
        if exact:
            entries.append(common | FIND[truth.task](found, lambda count, _: np.zeros(count)))
            continue
        if rng.random() < 0.1:
            common["category_id"] = int(rng.integers(1, 11))
        if rng.random() < 0.9:
            entries.append(common | FIND[truth.task](found, lambda count, size: rng.normal(0, size, count)))
    return entries


def ours(truth: Truth, entries: list[Entry], folder: Path) -> dict[str, float]:
    save_predictions(entries, truth.task, folder / "predictions.parquet")
    metrics, samples = evaluate(truth, load_predictions(folder / "predictions.parquet"), resamples=20, seed=0)
    assert {name: len(values) for name, values in samples.items()} == {"AP": 20, "AP50": 20, "AP75": 20}
    return metrics


def theirs(truth: Truth, entries: list[Entry], kind: str) -> list[float]:
    """AP, AP50 and AP75 as pycocotools has them."""
    size = OPTIONS.size
    ground = COCO()
    ground.dataset = {
        "info": {},
        "images": [{"id": number, "width": size, "height": size} for number in truth.image_ids.values()],
        "categories": [{"id": number + 1} for number in range(len(truth.names))],
        "annotations": truth.coco.load_anns(truth.coco.get_ann_ids()),
    }
    found = [{**entry, "image_id": truth.image_ids[entry["file_name"]]} for entry in entries]
    with contextlib.redirect_stdout(io.StringIO()):
        ground.createIndex()
        evaluator = COCOeval(ground, ground.loadRes(found), kind)
        if truth.sigmas:
            evaluator.params.kpt_oks_sigmas = np.array(truth.sigmas)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats[:3])


@pytest.mark.parametrize("task", ["segment", "pose"])
def test_ap_of_masks_and_keypoints_is_that_of_pycocotools(
    truths: dict[str, Truth], task: str, tmp_path: Path
) -> None:
    truth, entries = truths[task], predicted(truths[task])
    found = ours(truth, entries, tmp_path)
    expected = theirs(truth, entries, TASKS[task].iou_type)
    assert 0.1 < expected[0] < 0.9
    assert [found[f"coco/{name}"] for name in NAMES] == pytest.approx(expected, abs=1e-4)
    boxes = theirs(truth, entries, "bbox")
    assert [found[f"coco/box/{name}"] for name in NAMES] == pytest.approx(boxes, abs=1e-4)


def test_rotated_boxes_that_are_upright_have_the_ap_of_boxes(
    truths: dict[str, Truth], tmp_path: Path
) -> None:
    truth, entries = truths["obb"], predicted(truths["obb"])
    assert 0.1 < ours(truth, entries, tmp_path)["coco/AP"] < 0.9
    annotations = truth.coco.load_anns(truth.coco.get_ann_ids())
    for found, box, rotated in [
        *((annotation, "bbox", "obb") for annotation in annotations),
        *((entry, "bbox", "rbox") for entry in entries),
    ]:
        x, y, width, height, _ = found[rotated]
        found[rotated] = [x, y, width, height, 0.0]
        found[box] = [x - width / 2, y - height / 2, width, height]
    content = {
        "images": truth.coco.load_imgs(list(truth.image_ids.values())),
        "categories": truth.coco.load_cats(truth.coco.get_cat_ids()),
        "annotations": annotations,
    }
    upright = replace(truth, coco=hotcoco.COCO(content))
    found = ours(upright, entries, tmp_path)
    assert [found[f"coco/{name}"] for name in NAMES] == pytest.approx(
        theirs(upright, entries, "bbox"), abs=1e-4
    )


@pytest.mark.parametrize("degrees", [0, 10, 25, 60])
def test_rotated_boxes_overlap_as_opencv_says(degrees: int, tmp_path: Path) -> None:
    """Two boxes about one centre: found at exactly the IoU thresholds below their overlap."""
    image = {"id": 1, "width": 96, "height": 96}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 800.0}
    annotation |= {"bbox": [28.0, 38.0, 40.0, 20.0], "obb": [48.0, 48.0, 40.0, 20.0, 0.3]}
    content = {"images": [image], "categories": [{"id": 1, "name": "a"}], "annotations": [annotation]}
    truth = Truth(hotcoco.COCO(content), {"a.png": 1}, ["a"], "obb", {"a.png": (96, 96)})
    entry = {"file_name": "a.png", "category_id": 1, "score": 0.9}
    entry["rbox"] = [48.0, 48.0, 40.0, 20.0, 0.3 + float(np.radians(degrees))]
    turned, still = ((48, 48), (40, 20), float(degrees)), ((48, 48), (40, 20), 0.0)
    shared = cv2.contourArea(cv2.rotatedRectangleIntersection(turned, still)[1])
    overlap = shared / (2 * 800 - shared)
    save_predictions([entry], "obb", tmp_path / "p.parquet")
    metrics, _ = evaluate(truth, load_predictions(tmp_path / "p.parquet"), resamples=2, seed=0)
    passed = np.mean(overlap + 1e-6 >= np.arange(0.5, 1, 0.05))
    assert metrics["coco/AP"] == pytest.approx(passed)


@pytest.mark.parametrize("task", ["segment", "pose", "obb"])
def test_perfect_predictions_are_perfect(truths: dict[str, Truth], task: str, tmp_path: Path) -> None:
    found = ours(truths[task], predicted(truths[task], exact=True), tmp_path)
    assert found["coco/AP"] == pytest.approx(1)
    assert not any(value for name, value in found.items() if name.startswith("error/"))
