from __future__ import annotations

import numpy as np
import pytest

from kdpipe.data import digits
from kdpipe.params.schema import Digits

OPTIONS = Digits(train=60, val=30, test=30, size=96, seed=0)


def test_the_same_options_draw_the_same_files() -> None:
    first, second = (digits.source(OPTIONS, "detect") for _ in range(2))
    for split in first.splits:
        assert [e.read() for e in first.splits[split]] == [e.read() for e in second.splits[split]]


def test_another_seed_draws_other_scenes() -> None:
    other = digits.source(Digits(train=60, val=30, test=30, size=96, seed=1), "detect")
    assert digits.source(OPTIONS, "detect").splits["train"][0].read() != other.splits["train"][0].read()


def test_the_splits_share_no_handwriting() -> None:
    glyphs = {split: {ink.tobytes() for ink in digits.handwriting(split)[0]} for split in digits.HANDWRITING}
    assert all(len(found) > 300 for found in glyphs.values())
    assert not glyphs["train"] & glyphs["val"]
    assert not glyphs["train"] & glyphs["test"]
    assert not glyphs["val"] & glyphs["test"]


def test_there_are_scenes_with_many_digits_and_with_none() -> None:
    counts = [len(digits.draw_scene(OPTIONS, "train", index).glyphs) for index in range(200)]
    assert 0.02 < np.mean(np.array(counts) == 0) < 0.2
    assert max(counts) >= 3


def test_boxes_hug_the_ink() -> None:
    glyph = next(g for i in range(9) for g in digits.draw_scene(OPTIONS, "val", i).glyphs)
    x1, y1, x2, y2 = glyph.box()
    ink = glyph.ink > digits.VISIBLE_INK
    assert ink.any()
    assert ink[y1:y2, x1:x2].sum() == ink.sum()
    assert ink[y1].any()
    assert ink[y2 - 1].any()
    assert ink[:, x1].any()
    assert ink[:, x2 - 1].any()
    class_id, x, y, width, height = map(float, digits.detect_label(glyph, OPTIONS.size).split())
    assert class_id == glyph.digit
    assert (x - width / 2) * OPTIONS.size == pytest.approx(x1, abs=1e-3)
    assert (y + height / 2) * OPTIONS.size == pytest.approx(y2, abs=1e-3)
