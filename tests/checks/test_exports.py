"""What is wrong with `export` is said before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.checks import exports
from kdpipe.checks.exports import calibration_problems, export_problems, size_problems
from kdpipe.errors import KdpipeError
from kdpipe.params.load import load
from kdpipe.params.schema import Export

Write = Callable[..., Path]


def problems(**changes: object) -> list[str]:
    return [str(problem) for problem in export_problems(Export(**changes))]  # type: ignore[arg-type]


def test_every_format_that_is_installed_is_accepted() -> None:
    assert problems(formats=["torchscript", "onnx", "openvino", "openvino-fp16", "openvino-int8"]) == []


@pytest.mark.parametrize(
    ("given", "hint"),
    [("openvino-int", "openvino-int8"), ("tensorrt-fp-16", "tensorrt-fp16"), ("onxx", "onnx")],
)
def test_a_format_that_is_not_known_is_named_with_the_nearest_one(given: str, hint: str) -> None:
    (problem,) = problems(formats=[given])
    assert problem.startswith(f"params.yaml: export.formats: {given!r} is no format; ")
    assert hint in problem


def test_a_runtime_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "versions_of", lambda names: {name: "1" for name in names if name != "nncf"})
    (problem,) = problems(formats=["openvino", "openvino-int8"])
    assert problem.endswith("openvino-int8 needs nncf; run `pip install nncf`, or remove it")


def test_what_needs_a_gpu_is_no_mistake_without_one() -> None:
    """It is skipped where there is none, and done where there is one."""
    assert problems(formats=["tensorrt-fp16", "tensorrt-int8"]) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calibrate": "test"}, "export.calibrate: 'test': write train, as test images must not be seen"),
        ({"formats": ["onnx", "onnx"]}, "export.formats: ['onnx', 'onnx'] names a format twice"),
    ],
)
def test_each_mistake_has_its_key(changes: dict[str, object], words: str) -> None:
    (problem,) = problems(**changes)
    assert words in problem


def test_the_size_fits_every_model(write_params: Write) -> None:
    """A student with a sixth level halves images once more."""
    for student, wrong, right, stride in (("yolo26n", 100, 96, 32), ("yolo26n-p6", 96, 128, 64)):
        params = load(write_params(students={student: {"init": "scratch"}}, export__imgsz=wrong))
        (problem,) = size_problems(params)
        assert f"export.imgsz: {wrong} is no multiple of {stride}, as {student} needs" in str(problem)
        params.export.imgsz = right
        assert list(size_problems(params)) == []


def test_int8_is_not_calibrated_on_what_measures_it(write_params: Write) -> None:
    """Whatever is in `export.formats`: `kdpipe export` takes any format."""
    params = load(write_params(export__calibrate="val", validate__splits=["val"]))
    (problem,) = calibration_problems(params, ["onnx", "openvino-int8"])
    assert "export.calibrate: val: openvino-int8 would be measured on" in str(problem)
    assert list(calibration_problems(params, ["onnx", "openvino-fp16"])) == []
    params.validate.splits = ["val", "test"]
    assert list(calibration_problems(params, ["openvino-int8"])) == []


def test_a_share_of_images_is_above_0_and_at_most_1(write_params: Write) -> None:
    for fraction in (0.0, 1.5):
        with pytest.raises(KdpipeError, match=r"export\.fraction: "):
            load(write_params(export__fraction=fraction))


def test_params_of_before_are_told_what_to_write(write_params: Write) -> None:
    path = write_params()
    text = path.read_text()
    path.write_text(text.replace("export:\n  formats: []\n", ""))
    with pytest.raises(KdpipeError, match=r"export: missing; .* write it out: export: \{formats: \[\]\}"):
        load(path)
