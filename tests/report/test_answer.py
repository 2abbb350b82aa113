"""The answer in a sentence."""

from __future__ import annotations

from math import inf, nan

import pandas as pd
import pytest

from kdpipe.report.answer import answers
from kdpipe.report.question import Question
from kdpipe.report.verdicts import what_it_takes

LINE = {
    "pair": "n-s",
    "student": "yolo26n",
    "teacher": "yolo26s",
    "dis": "1.0",
    "head": "e2e",
    "baseline": 0.4,
    "distilled": 0.408,
    "gain": 0.008,
    "low": -0.041,
    "high": 0.057,
    "verdict": "undecided",
    "primary": True,
    "seeds": 5,
    "detectable": 0.06,
    "seeds for smallest": 400.0,
    "seeds for gain": 11.0,
    "new seeds for smallest": 600.0,
    "new seeds for gain": 13.0,
    "minutes": 1.5,
}
WHAT = "yolo26n from yolo26s (n-s), dis 1.0, e2e head"
MEASURED = "+0.8 [-4.1, +5.7] points of mAP50-95"


def answer(new: dict[str, object] | None = None, **changes: object) -> str:
    other = LINE | {"head": "nms", "primary": False}
    confirmed = pd.DataFrame([LINE | new, other] if new else [])
    (sentence,) = answers(pd.DataFrame([LINE | changes, other]), confirmed, Question(), "128 test images")
    return sentence


def test_a_verdict_with_its_numbers_and_what_to_do_next() -> None:
    more = "16 new seeds (about 24 min of training) would detect 0.8 points: `kdpipe confirm n-s`."
    assert answer() == f"Undecided: {WHAT}: {MEASURED}, 5 seeds, 128 test images. {more}"
    assert answer(verdict="better").endswith(
        "128 test images. `kdpipe confirm n-s` measures it on new seeds."
    )


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        (
            {"new seeds for smallest": 20.0},
            "(about 36 min of training) would detect 0.5 points: `kdpipe confirm n-s --max-seeds 24`.",
        ),
        ({"new seeds for gain": 900.0}, "`kdpipe confirm n-s` adds seeds."),
        ({"new seeds for gain": inf, "new seeds for smallest": inf}, "the test images are too few."),
        ({"new seeds for gain": inf}, "`kdpipe confirm n-s` adds seeds."),
        ({"seeds": 1, "detectable": nan}, "write more into `sweep.seeds`."),
    ],
)
def test_what_would_decide_it(changes: dict[str, object], end: str) -> None:
    assert end in answer(**changes)


def test_students_that_find_nothing_are_no_answer() -> None:
    assert answer(baseline=0.004, distilled=0.0091) == (
        f"Nothing learned: {WHAT}: mAP50-95 0.4 % alone and 0.9 % distilled say nothing about distillation; "
        "train longer."
    )
    assert answer(baseline=0.004, distilled=0.02).startswith("Undecided: ")


def test_new_seeds_have_the_last_word() -> None:
    new = {"gain": 0.015, "low": 0.002, "high": 0.028, "verdict": "better", "seeds": 16}
    assert answer(new) == (
        f"Better: {WHAT}: +1.5 [+0.2, +2.8] points of mAP50-95, 16 new seeds, 128 test images; "
        "the seeds that it was chosen by had +0.8 [-4.1, +5.7]."
    )
    more = "10 more seeds (about 15 min of training) would detect 0.8 points: `kdpipe confirm n-s`."
    assert answer({"seeds": 6}).endswith(more)


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (17.0, "the gain seen: 12 more of `sweep.seeds` (about 18 min of training)"),
        (1001.0, "more than 1000 seeds"),
        (inf, "more test images"),
    ],
)
def test_the_table_says_what_the_comparison_itself_would_take(seeds: float, words: str) -> None:
    assert words in what_it_takes(LINE | {"seeds for gain": seeds})


def test_what_cannot_be_compared_says_why() -> None:
    unlike = {"gain": nan, "verdict": "not compared: lr0 0.1 instead of 0.01"}
    assert answer(**unlike) == f"{WHAT}: not compared: lr0 0.1 instead of 0.01."
