from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from kdpipe import zoo
from kdpipe.tasks import TASKS


def test_every_name_has_its_yaml_in_ultralytics() -> None:
    spec = find_spec("ultralytics")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    shipped = {path.stem for path in Path(spec.submodule_search_locations[0]).glob("cfg/models/*/*.yaml")}
    for name in zoo.names():
        model = zoo.parse(name)
        assert str(model) == name
        assert f"{model.family}{TASKS[model.task].suffix}" in shipped


def test_only_families_with_a_one_to_one_head_are_end_to_end() -> None:
    assert zoo.parse("yolo26n").heads == ("e2e", "nms")
    assert zoo.parse("yolo11n").heads == ("nms",)
    assert zoo.parse("yolov8x-seg").heads == ("nms",)


@pytest.mark.parametrize(
    ("student", "teacher"), [("n", "s"), ("s", "m"), ("m", "x"), ("l", "x"), ("x", None)]
)
def test_recommended_teachers_are_the_published_ones(student: str, teacher: str | None) -> None:
    found = zoo.parse(f"yolo26{student}").recommended_teacher
    assert (found.size if found else None) == teacher


@pytest.mark.parametrize(
    ("student", "teacher", "word"),
    [
        ("yolo26n", "yolo11s", "another family"),
        ("yolo26n", "yolo26s-seg", "segment"),
        ("yolo26s", "yolo26s", "not larger"),
        ("yolo26m", "yolo26s", "not larger"),
        ("yolo26n", "yolo26x", None),
    ],
)
def test_impossible_pairs_are_told_from_possible_ones(student: str, teacher: str, word: str | None) -> None:
    problem = zoo.pairing_problem(zoo.parse(student), zoo.parse(teacher))
    assert (problem is None) if word is None else (problem is not None and word in problem)


def test_an_unknown_model_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean 'yolo26n'"):
        zoo.parse("yolo26nn")
