"""The images on which two students differ most, with the boxes of all."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdpipe.cells.cell import DATASET_DIR, Cell, baseline_cell, distill_cell, teacher_cell
from kdpipe.data.prepare import prepare
from kdpipe.evaluation import (
    Truth,
    found_per_image,
    load_predictions,
    load_truth,
    predictions_file,
    save_predictions,
)
from kdpipe.page import pictures
from kdpipe.params.schema import Data
from tests.evaluation.test_tasks import FIND, OPTIONS, Entry, predicted

CELLS = {
    "baseline": baseline_cell("yolo26n", 0),
    "distilled": distill_cell("n-s", 1.0, 0),
    "teacher": teacher_cell("yolo26s"),
}


def save(cell: Cell, truth: Truth, entries: list[Entry], head: str, score: float = 0.9) -> Path:
    cell.val_dir.mkdir(parents=True, exist_ok=True)
    path = cell.val_dir / predictions_file("val", head)
    save_predictions([{**entry, "score": score} for entry in entries], truth.task, path)
    return path


@pytest.fixture
def truth(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Truth:
    """Of a data set of this task in the working directory."""
    monkeypatch.chdir(tmp_path)
    prepare(Data(source="digits", task=getattr(request, "param", "detect"), digits=OPTIONS), DATASET_DIR)
    return load_truth(DATASET_DIR, "val")


@pytest.mark.parametrize("truth", FIND, indirect=True)
def test_what_changed_most_is_shown(truth: Truth) -> None:
    entries = predicted(truth, exact=True)
    first, second = list(dict.fromkeys(entry["file_name"] for entry in entries))[:2]
    head = "nms" if truth.task == "pose" else "e2e"  # a family without e2e
    save(CELLS["baseline"], truth, [entry for entry in entries if entry["file_name"] != first], head)
    path = save(CELLS["distilled"], truth, [entry for entry in entries if entry["file_name"] != second], head)
    save(CELLS["teacher"], truth, entries, head)

    scores = found_per_image(truth, load_predictions(path))
    assert scores[first] == 1.0
    assert scores[second] == 0.0

    won, lost = pictures.rows([("n-s", "n-s, dis 1.0", CELLS)], "val")
    assert won.about.startswith(f"{first}, ")
    assert won.about.endswith("F1 +100")
    assert lost.about.startswith(f"{second}, ")
    assert lost.about.endswith("F1 -100")
    count = sum(entry["file_name"] == first for entry in entries)
    boxes = f"{count} box" + ("" if count == 1 else "es")
    assert [picture.caption for picture in won.pictures] == [
        f"truth, {boxes}",
        "baseline: F1 0, 0 boxes",
        f"distilled: F1 100, {boxes}",
        f"teacher: F1 100, {boxes}",
    ]
    truth_drawn, nothing, _, _ = (pixels(picture.source) for picture in won.pictures)
    assert truth_drawn.shape[1] == pictures.NARROWEST
    assert np.abs(truth_drawn - nothing).max() > 60  # the boxes

    named = replace(lost, about="cost_$5^{_$.png, 猫")  # no formula, and no font has it everywhere
    pictures.save_sheets([won, named], Path())
    with Image.open("boxes-n-s.jpg") as sheet:
        assert sheet.width > 4 * pictures.NARROWEST
        assert sheet.height > 2 * pictures.NARROWEST


def test_an_image_without_objects_in_which_nothing_is_found_is_right(truth: Truth) -> None:
    scores = found_per_image(truth, load_predictions(save(CELLS["teacher"], truth, [], "e2e")))
    objects = {found["image_id"] for found in truth.coco.load_anns(truth.coco.get_ann_ids())}
    assert len(objects) < len(scores)
    assert scores == {name: float(number not in objects) for name, number in truth.image_ids.items()}


def test_models_that_are_sure_of_nothing_have_no_pictures(truth: Truth) -> None:
    for cell in CELLS.values():
        save(cell, truth, predicted(truth, exact=True), "e2e", score=0.1)
    assert not list(pictures.rows([("n-s", "n-s, dis 1.0", CELLS)], "val"))


def pixels(source: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1]))) as image:
        return np.asarray(image).astype(int)
