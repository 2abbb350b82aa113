from __future__ import annotations

import math
import re

import pytest

from kdpipe.models import names as model_names
from tests.bad_inputs import shipped_yaml

SHIPPED = sorted(
    path for family in ("v8", "11", "26") for path in shipped_yaml(f"{family}/*").parent.glob("*.yaml")
)
# With features of another kind (ghost), or of another task, or with words in the place of classes.
OTHERS = re.compile(r"yoloe-.*|.*-(cls.*|sem|depth|ghost.*|rtdetr|world.*)")


def sized(stem: str, size: str) -> str:
    head, dash, suffix = stem.partition("-")
    return f"{head}{size}{dash}{suffix}"


def test_what_ultralytics_ships_is_known_or_known_to_be_something_else() -> None:
    shipped = {path.stem for path in SHIPPED if not OTHERS.fullmatch(path.stem)}
    expected = {sized(stem, size) for stem in shipped for size in model_names.SIZES}
    assert set(model_names.names()) == expected
    for path in SHIPPED:
        if path.stem not in shipped:
            with pytest.raises(ValueError, match="no model that can be distilled"):
                model_names.parse(sized(path.stem, "n"))


@pytest.mark.parametrize("stem", [path.stem for path in SHIPPED if not OTHERS.fullmatch(path.stem)])
def test_every_model_is_what_its_name_says(stem: str) -> None:
    from ultralytics import YOLO

    found = model_names.parse(sized(stem, "n"))
    model = YOLO(f"{found}.yaml", verbose=False)
    assert model.task == found.task
    head = model.model.model[-1]
    assert hasattr(head, "one2one_cv3") == ("e2e" in found.heads)
    first, last = (round(math.log2(stride)) for stride in (min(head.stride), max(head.stride)))
    assert found.levels == f"P{first} to P{last}"
    teacher = model_names.parse(sized(stem, "s"))
    assert found.recommended_teacher == teacher
    assert model_names.pairing_problem(found, teacher) is None


def test_only_families_with_a_one_to_one_head_are_end_to_end() -> None:
    assert model_names.parse("yolo26n").heads == ("e2e", "nms")
    assert model_names.parse("yolo11n").heads == ("nms",)
    assert model_names.parse("yolov8x-seg").heads == ("nms",)


@pytest.mark.parametrize(
    ("student", "teacher"), [("n", "s"), ("s", "m"), ("m", "x"), ("l", "x"), ("x", None)]
)
def test_recommended_teachers_are_the_published_ones(student: str, teacher: str | None) -> None:
    found = model_names.parse(f"yolo26{student}").recommended_teacher
    assert (found.size if found else None) == teacher


@pytest.mark.parametrize(
    ("student", "teacher", "word"),
    [
        ("yolo26n", "yolo11s", "another family"),
        ("yolo26n", "yolo26s-seg", "segment"),
        ("yolo26s", "yolo26s", None),
        ("yolo26m", "yolo26s", "is smaller than"),
        ("yolo26n", "yolo26s-p2", "P2 to P5"),
        ("yolo26n", "yolo26x", None),
    ],
)
def test_impossible_pairs_are_told_from_possible_ones(student: str, teacher: str, word: str | None) -> None:
    problem = model_names.pairing_problem(model_names.parse(student), model_names.parse(teacher))
    assert (problem is None) if word is None else (problem is not None and word in problem)


def test_an_unknown_model_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'yolo26n'"):
        model_names.parse("yolo26nn")
