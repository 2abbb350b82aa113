"""Students that are trained with simulated INT8: what is saved, opened again, exported and refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from rich.console import Console

from kdpipe.cells.history import HISTORY_FILE, read_history
from kdpipe.errors import KdpipeError
from kdpipe.models.formats import FORMATS
from kdpipe.runner.job import Job
from kdpipe.runner.train import TrainingResult, train
from kdpipe.yolo import exported, inspect
from kdpipe.yolo.batch_statistics import with_statistics_anew
from kdpipe.yolo.export import Settings, export, log_file
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.opening import rebuilding
from kdpipe.yolo.validation import opened
from tests.runner.test_runner import Heard, job
from tests.runner.test_runner import project as project  # noqa: PLC0414 - a fixture
from tests.yolo.test_export import checkpoint

configure()
from ultralytics.nn.tasks import load_checkpoint  # noqa: E402
from ultralytics.utils import torch_utils  # noqa: E402

SIDE = 64
QUANTIZED = {"quantize": 8, "epochs": 2, "lr0": 1e-5, "warmup_epochs": 0.0}


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


@pytest.fixture(scope="module")
def float_start(project: Path) -> Path:
    """A checkpoint that is sure of something; its statistics fit its weights, as ranges follow from them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        given, data = opened(checkpoint(project, 0)), project / "dataset/data.yaml"
        fitting = with_statistics_anew(given, data, imgsz=SIDE, device="cpu", log=project / "log")
        assert fitting is not None
        fitting.save(project / "start.pt")
        return project / "start.pt"


def quantized_job(project: Path, start: Path, teacher: Path | None = None, **changes: object) -> Job:
    wanted = job(project, teacher, **QUANTIZED | changes)
    return Job(wanted.identity, str(start), wanted.data, wanted.teachers, wanted.images)


@pytest.fixture(scope="module")
def quantized(project: Path, float_start: Path) -> TrainingResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        wanted = quantized_job(project, float_start)
        return train(wanted, project / "quantized", Heard(), Console(quiet=True))


def outputs(model: torch.nn.Module) -> torch.Tensor:
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found: torch.Tensor = model.eval()(images)[0]
    return found


def test_a_checkpoint_is_opened_with_its_integers(quantized: TrainingResult) -> None:
    """What Ultralytics itself computes with it, which is not what its weights alone compute."""
    assert torch_utils.is_qat(opened(quantized.best).model)
    simulated = outputs(opened(quantized.best).model)
    assert torch.equal(simulated, outputs(load_checkpoint(quantized.best)[0]))
    content = torch.load(quantized.best, weights_only=False)
    content["modelopt"] = None
    plain = quantized.best.with_name("plain.pt")
    torch.save(content, plain)
    assert not torch.allclose(simulated, outputs(opened(plain).model), atol=1e-3)
    assert quantized.arguments["quantize"] == 8
    assert inspect.inspect(quantized.best).quantized
    assert not inspect.inspect(plain).quantized
    assert inspect.inspect(quantized.best).parameters == inspect.inspect(plain).parameters


@pytest.mark.parametrize("method", [None, {"method": "predictions"}])
def test_its_teacher_stays_in_floating_point(
    project: Path, float_start: Path, teacher_weights: Path, method: dict[str, str] | None, tmp_path: Path
) -> None:
    wanted = quantized_job(project, float_start, teacher_weights, epochs=1)
    wanted = replace(wanted, identity=replace(wanted.identity, method=method))
    result = train(wanted, tmp_path / "distilled", Heard(), Console(quiet=True))
    assert torch_utils.is_qat(opened(result.best).model)
    ranges = torch.load(result.best, weights_only=False)["modelopt"]["ranges"]
    assert ranges
    assert not [name for name in ranges if "teacher" in name or "projector" in name]
    assert read_history(tmp_path / "distilled" / HISTORY_FILE)[-1]["train/dis_loss"] > 0


def test_an_interrupted_one_goes_on_as_if_it_was_not(
    project: Path, float_start: Path, quantized: TrainingResult, tmp_path: Path
) -> None:
    class Stops(Heard):
        def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
            super().epoch(epoch, values, ended)
            raise KeyboardInterrupt

    wanted = quantized_job(project, float_start)
    with pytest.raises(KeyboardInterrupt):
        train(wanted, tmp_path / "work", Stops(), Console(quiet=True))
    heard = Heard()
    result = train(wanted, tmp_path / "work", heard, Console(quiet=True))
    assert heard.epochs == [2]
    ours, theirs = (torch.load(path, weights_only=False) for path in (result.best, quantized.best))
    for name, weight in theirs["model"].state_dict().items():
        assert torch.equal(weight, ours["model"].state_dict()[name]), name
    for name, value in theirs["modelopt"]["ranges"].items():
        assert torch.equal(value, ours["modelopt"]["ranges"][name]), name


@pytest.mark.parametrize("head", ["e2e", "nms"])
def test_it_is_exported_with_its_own_ranges(
    project: Path, quantized: TrainingResult, head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without training, a rounding in an early layer moves boxes of like scores; scores it moves little.
    monkeypatch.setitem(exported.TOLERANCE, 8, (0.02, 1.0))
    data = project / "dataset/data.yaml"
    settings = Settings(imgsz=SIDE, max_det=300, device="cpu", data=data, calibrate="train", fraction=1.0)
    file = export(quantized.best, FORMATS["onnx-int8"], head, settings, note="n", folder=tmp_path / head)
    operators = {node.op_type for node in onnx.load(file).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    images = exported.sample_images(data, SIDE)
    exported.check_exported(file, quantized.best, head, 8, images, device="cpu", log=log_file())
    with pytest.raises(KdpipeError, match="cannot export a QAT model"):
        export(quantized.best, FORMATS["openvino"], head, settings, note="n", folder=tmp_path / "openvino")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda found: found["modelopt"]["modelopt_state_dict"].append(("sparse_magnitude", {})),
            "other steps",
        ),
        (lambda found: found["modelopt"].clear(), "not that of Ultralytics"),
        (lambda found: found.update(hook=torch.nn.Identity()), "more than numbers and text"),
    ],
)
def test_a_checkpoint_that_says_something_else_is_not_opened(
    quantized: TrainingResult, change: object, said: str, tmp_path: Path
) -> None:
    content = torch.load(quantized.best, weights_only=False)
    change(content["modelopt"])  # type: ignore[operator]
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(KdpipeError, match=said), rebuilding(path):
        opened(path)


def test_nothing_of_model_optimizer_reaches_the_screen(quantized: TrainingResult) -> None:
    code = (
        "import sys; import pathlib as p; import kdpipe.yolo.validation as v; v.opened(p.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(quantized.best)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("", "")
