"""`kdpipe.compare` on the stored predictions of a project gives the numbers of its report."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import kdpipe
from kdpipe.cells.cell import DATASET_DIR, Cell, baseline_cell, distill_cell, teacher_cell
from kdpipe.data.prepare import prepare
from kdpipe.evaluation import load_predictions, load_truth, predictions_file, save_predictions
from kdpipe.evaluation.truth import Truth
from kdpipe.params.schema import Data, Digits, Evaluate
from kdpipe.stages.evaluate import evaluate_cell
from tests.coco_files import Entry, found, written
from tests.reported import finish, report

RESAMPLES = 200
SEEDS = (0, 1, 2)


def store(cell: Cell, truths: dict[str, Truth], share: float, seed: int) -> None:
    """Write predictions as a validation does, and evaluate them."""
    finish(cell, 0.5)
    for split, truth in truths.items():
        names = {number: name for name, number in truth.image_ids.items()}
        for number, head in enumerate(("e2e", "nms")):
            results = found(truth.coco.dataset, share=share - number / 5, noise=1.0, seed=seed)
            entries = [{**one, "file_name": names[one["image_id"]]} for one in results]
            save_predictions(entries, "detect", cell.val_dir / predictions_file(split, head))
    params: Any = SimpleNamespace(evaluate=Evaluate(resamples=RESAMPLES))
    evaluate_cell(params, cell)


def as_results(cell: Cell, truth: Truth) -> list[Entry]:
    """The stored predictions of a cell as COCO's results."""
    frame = load_predictions(cell.val_dir / predictions_file("test", "e2e"))
    return [
        {
            "image_id": truth.image_ids[row.image],
            "category_id": row.class_id + 1,
            "bbox": [row.x, row.y, row.width, row.height],
            "score": row.score,
        }
        for row in frame.itertuples()
    ]


def test_the_numbers_are_those_of_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(
        Data(source="digits", task="detect", digits=Digits(train=4, val=12, test=24, size=96)), DATASET_DIR
    )
    truths = {split: load_truth(DATASET_DIR, split) for split in ("val", "test")}
    arms = {
        "baseline": {seed: baseline_cell("yolo26n", seed) for seed in SEEDS},
        "distilled": {seed: distill_cell("n-s", 1.0, seed) for seed in SEEDS},
    }
    store(teacher_cell("yolo26s"), truths, 0.9, 9)
    for (arm, cells), share in zip(arms.items(), (0.6, 0.8), strict=True):
        for seed, cell in cells.items():
            store(cell, truths, share, seed + 3 * (arm == "distilled"))
    gains = report([teacher_cell("yolo26s"), *arms["baseline"].values(), *arms["distilled"].values()]).gains
    (line,) = gains[gains["primary"]].to_dict("records")
    truth = written(tmp_path, "truth.json", truths["test"].coco.dataset)
    files = {
        arm: {
            seed: written(tmp_path, f"{arm}-{seed}.json", as_results(cell, truths["test"]))
            for seed, cell in cells.items()
        }
        for arm, cells in arms.items()
    }
    result = kdpipe.compare(truth, **files, resamples=RESAMPLES)
    assert 0.1 < line["baseline"] < line["distilled"] < 0.9
    assert (line["seeds"], line["tried"], line["verdict"]) == (3, 1, result.verdict)
    expected = {
        "baseline": result.baseline.mean,
        "baseline sd": result.baseline.sd,
        "distilled": result.distilled.mean,
        "distilled sd": result.distilled.sd,
        "gain": result.gain.mean,
        "low": result.gain.low,
        "high": result.gain.high,
        "probability": result.gain.probability,
        "p": result.gain.p,
        "detectable": result.detectable,
    }
    assert {name: line[name] for name in expected} == pytest.approx(expected, abs=1e-6)
