"""COCO AP, error types and half samples of stored predictions."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks.coverage import coverage, experiment
from benchmarks.simulation import Objects, detect, draw_objects, truth_of
from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.evaluation import evaluate, load_predictions, load_truth, save_predictions
from kdpipe.evaluation.ap import OVERALL
from kdpipe.evaluation.resampling import deviations, half_samples
from kdpipe.params.schema import Data, Digits


@pytest.fixture(scope="module")
def objects() -> Objects:
    return draw_objects(np.random.default_rng(0), images=200, classes=6, per_image=5)


@pytest.fixture(scope="module")
def predictions(objects: Objects) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return detect(rng, objects, rng.normal(0, 1, len(objects.image)), skill=0.8)


def as_coco(objects: Objects, predictions: pd.DataFrame) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same in the dictionaries that pycocotools takes."""
    truth = {
        "info": {},
        "images": [{"id": i + 1} for i in range(objects.images)],
        "categories": [{"id": i + 1} for i in range(objects.classes)],
        "annotations": [
            {
                "id": number,
                "image_id": int(image) + 1,
                "category_id": int(label) + 1,
                "bbox": box.tolist(),
                "area": float(box[2] * box[3]),
                "iscrowd": 0,
            }
            for number, (image, label, box) in enumerate(
                zip(objects.image, objects.label, objects.box, strict=True), start=1
            )
        ],
    }
    found = [
        {
            "image_id": int(row.image) + 1,
            "category_id": int(row.class_id) + 1,
            "bbox": [row.x, row.y, row.width, row.height],
            "score": row.score,
        }
        for row in predictions.itertuples()
    ]
    return truth, found


@pytest.mark.parametrize("reference", ["pycocotools", "faster_coco_eval"])
def test_ap_is_that_of_the_reference(objects: Objects, predictions: pd.DataFrame, reference: str) -> None:
    if reference == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    truth, found = as_coco(objects, predictions)
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(truth) if reference == "faster_coco_eval" else COCO()
        ground.dataset = truth
        ground.createIndex()
        theirs = COCOeval(ground, ground.loadRes(found), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    ours, _ = evaluate(truth_of(objects), predictions, resamples=2, seed=0)
    assert [ours[f"coco/{name}"] for name in OVERALL] == pytest.approx(list(theirs.stats[:6]), abs=1e-4)
    precision = theirs.eval["precision"][:, :, :, 0, -1]
    per_class = [float(precision[:, :, k].mean()) for k in range(objects.classes)]
    assert [ours[f"coco/class/{k}"] for k in range(objects.classes)] == pytest.approx(per_class, abs=1e-4)


def test_nothing_found_is_zero(objects: Objects, predictions: pd.DataFrame) -> None:
    metrics, samples = evaluate(truth_of(objects), predictions[:0], resamples=10, seed=0)
    assert metrics["coco/AP"] == 0
    assert metrics["coco/class/0"] == 0
    assert samples["AP50"].tolist() == [0] * 10


def test_errors_are_told_apart(objects: Objects) -> None:
    """A wrong class is a classification error; copies ranked above right boxes are duplicates."""
    frame = pd.DataFrame(objects.box, columns=["x", "y", "width", "height"])
    frame = frame.assign(image=objects.image.astype(str), class_id=objects.label, score=0.9)
    perfect, _ = evaluate(truth_of(objects), frame, resamples=2, seed=0)
    assert perfect["coco/AP"] == pytest.approx(1)
    assert not any(value for name, value in perfect.items() if name.startswith("error/"))
    confused = frame.assign(class_id=np.where(frame.index % 3 == 0, (frame.class_id + 1) % 6, frame.class_id))
    errors, _ = evaluate(truth_of(objects), confused, resamples=2, seed=0)
    assert errors["error/classification"] > 0.2
    assert errors["error/duplicate"] == 0
    twice = pd.concat([frame[::2], frame[::2], frame.assign(score=0.1)[1::2]], ignore_index=True)
    errors, _ = evaluate(truth_of(objects), twice, resamples=2, seed=0)
    assert errors["error/duplicate"] > 0.1
    assert errors["error/classification"] < 0.01


def test_half_samples_spread_as_validation_sets_do() -> None:
    """Over 80 validation sets; a bootstrap that leaves repetitions out would say 0.76 of this."""
    values, claimed = [], []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        objects = draw_objects(rng, images=80, classes=2, per_image=4)
        found = detect(rng, objects, rng.normal(0, 1, len(objects.image)), skill=0.5)
        metrics, samples = evaluate(truth_of(objects), found, resamples=60, seed=0)
        values.append(metrics["coco/AP"])
        claimed.append(samples["AP"].std(ddof=1))
    assert np.mean(claimed) == pytest.approx(np.std(values, ddof=1), rel=0.2)


def test_halves_are_the_same_for_every_checkpoint() -> None:
    images = list(range(1, 102))
    halves = half_samples(images, 50, seed=3)
    assert halves == half_samples(images, 50, seed=3)
    assert halves != half_samples(images, 50, seed=4)
    assert all(len(set(half)) == 50 for half in halves.values())
    assert half_samples([1], 50, seed=0) == {}


def test_a_half_without_objects_counts_as_the_mean() -> None:
    found = deviations(np.array([0.4, np.nan, 0.6]), images=100)
    assert found.tolist() == pytest.approx([-0.1, 0.0, 0.1])
    assert deviations(np.array([np.nan, np.nan]), images=100).size == 0


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_gain_of_nothing_is_undecided(monkeypatch: pytest.MonkeyPatch, seeds: int) -> None:
    monkeypatch.setattr("benchmarks.coverage.DISTILLED", 0.5)
    verdicts = [
        experiment(np.random.default_rng(s), 60, seeds, 60).verdict(0.005).removesuffix(" (one seed)")
        for s in range(12)
    ]
    assert verdicts.count("undecided") >= (10 if seeds > 1 else 4)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("seeds", [2, 4])
def test_the_interval_covers_the_true_gain_of_simulated_detectors(seeds: int) -> None:
    """At least as often as it says; `benchmarks/coverage.py` does it with more simulations."""
    found = coverage(simulations=100, seeds=seeds, images=40, resamples=40)
    assert found > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 100)


def test_predictions_survive_storage(tmp_path: Path) -> None:
    entries = [
        {"file_name": "a.png", "category_id": 3, "bbox": [1.5, 2.25, 10.0, 20.125], "score": 0.87654},
        {"file_name": "b.png", "category_id": 1, "bbox": [0.0, 0.0, 5.0, 5.0], "score": 0.001},
    ]
    save_predictions(entries, "detect", tmp_path / "p.parquet")
    loaded = load_predictions(tmp_path / "p.parquet")
    assert loaded["image"].tolist() == ["a.png", "b.png"]
    assert loaded["class_id"].tolist() == [2, 0]
    assert loaded[["x", "y", "width", "height"]].to_numpy().tolist() == [e["bbox"] for e in entries]
    assert loaded["score"].tolist() == pytest.approx([0.87654, 0.001])
    save_predictions([], "detect", tmp_path / "none.parquet")
    assert load_predictions(tmp_path / "none.parquet").empty


def test_the_truth_is_what_the_labels_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    digits = Digits(train=4, val=6, test=4, size=64)
    prepare(Data(source="digits", task="detect", digits=digits), tmp_path / "dataset")
    label = tmp_path / "dataset/labels/val/00000.txt"
    label.write_text("3 0.5 0.5 0.25 0.5\n3 0.5 0.5 0.25 0.5\n")
    image = tmp_path / "dataset/images/val/00000.png"
    cv2.imwrite(str(image), np.zeros((100, 200, 3), np.uint8))
    truth = load_truth(tmp_path / "dataset", "val")
    assert truth.names == [str(digit) for digit in range(10)]
    assert len(truth.image_ids) == 6
    (found,) = truth.coco.load_anns(truth.coco.get_ann_ids(img_ids=[truth.image_ids["00000.png"]]))
    assert found["bbox"] == [75.0, 25.0, 50.0, 50.0]
    assert found["category_id"] == 4
    with pytest.raises(KdpipeError, match="no images for nowhere"):
        load_truth(tmp_path / "dataset", "nowhere")


def test_keypoints_are_judged_by_the_sigmas_of_the_data_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = tmp_path / "dataset"
    prepare(Data(source="digits", task="pose", digits=Digits(train=4, val=4, test=4, size=64)), dataset)
    assert load_truth(dataset, "val").sigmas == [0.25] * 4
    with (dataset / "data.yaml").open("a") as yaml:
        yaml.write("kpt_oks_sigmas: [0.1, 0.2, 0.3, 0.4]\n")
    assert load_truth(dataset, "val").sigmas == [0.1, 0.2, 0.3, 0.4]
