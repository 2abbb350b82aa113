"""Real trainings, as small as they get."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from rich.console import Console

from kdpipe.cells.history import read_history
from kdpipe.cells.record import Identity
from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Data, Digits
from kdpipe.runner.job import Job
from kdpipe.runner.train import TrainingResult, train
from kdpipe.yolo import inspect
from kdpipe.yolo.hermetic import cpu_threads
from kdpipe.yolo.precision import precision
from tests.project import REPOSITORY

ARGUMENTS = {"epochs": 3, "imgsz": 64, "batch": 16, "nbs": 16, "mosaic": 0.0, "device": "cpu"}


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        assert values
        assert ended
        self.epochs.append(epoch)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    digits = Digits(train=32, val=16, test=16, size=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(Data(source="digits", task="detect", digits=digits), folder / "dataset")
    return folder


@pytest.fixture(autouse=True)
def _inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def job(project: Path, teacher: Path | None = None, **changes: object) -> Job:
    identity = Identity(
        cell="test",
        kind="baseline" if teacher is None else "distill",
        task="detect",
        seed=0,
        model="yolo26n",
        init="scratch",
        init_digest=None,
        data="digits",
        data_digest="",
        arguments=ARGUMENTS | changes,
        dis=None if teacher is None else 3.0,
    )
    return Job(
        identity,
        start="yolo26n.yaml",
        data=project / "dataset/data.yaml",
        teachers=[teacher] if teacher else [],
        images={"train": 32, "val": 16},
    )


@pytest.fixture(scope="module")
def baseline(project: Path) -> TrainingResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        return train(job(project), project / "baseline", Heard(), Console(quiet=True))


@pytest.fixture(scope="module")
def distilled(project: Path, teacher_weights: Path) -> TrainingResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        wanted = job(project, teacher_weights)
        return train(wanted, project / "distilled", Heard(), Console(quiet=True))


def test_the_saved_student_is_alone(baseline: TrainingResult, distilled: TrainingResult) -> None:
    alone, taught = inspect.inspect(baseline.best), inspect.inspect(distilled.best)
    assert taught.parameters == alone.parameters
    assert str(taught.model) == "yolo26n"
    checkpoint = torch.load(distilled.best, weights_only=False)
    assert type(checkpoint["model"]).__name__ == "DetectionModel"
    assert not [name for name in checkpoint["model"].state_dict() if "teacher" in name or "projector" in name]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"freeze": 24}, "'freeze=24' froze the entire model"),
        ({"imgsz": 32, "batch": 1}, "final batch=1 training at imgsz=32 gives BatchNorm a single value"),
    ],
    ids=str,
)
def test_what_ultralytics_refuses_is_said_in_its_words(
    project: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    """The checks know these; what they do not know ends the same way."""
    with pytest.raises(KdpipeError, match="Ultralytics cannot train this: ") as error:
        train(job(project, **changes), tmp_path, Heard(), Console(quiet=True))
    assert said in str(error.value)
    assert str(tmp_path / "train.log") in str(error.value)
    assert "Traceback" in (tmp_path / "train.log").read_text()


@pytest.mark.parametrize("nms", [False, None], ids=["e2e", "classical"])
def test_a_distilled_student_exports_as_a_baseline_of_its_weights_would(
    baseline: TrainingResult,
    distilled: TrainingResult,
    tmp_path: Path,
    nms: bool | None,
) -> None:
    from ultralytics import YOLO

    plain = YOLO(baseline.best)
    weights_of = torch.load(distilled.best, weights_only=False)["model"].float().state_dict()
    plain.model.load_state_dict(weights_of)
    plain.save(tmp_path / "plain.pt")
    shutil.copyfile(distilled.best, tmp_path / "distilled.pt")
    shutil.copyfile(baseline.best, tmp_path / "baseline.pt")
    image = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    sizes, outputs = {}, {}
    for name in ("plain", "distilled", "baseline"):
        model = YOLO(tmp_path / f"{name}.pt")
        exported = Path(model.export(format="onnx", imgsz=64, nms=nms, simplify=False, verbose=False))
        sizes[name] = exported.stat().st_size
        (outputs[name],) = onnxruntime.InferenceSession(exported).run(None, {"images": image})
    assert abs(sizes["distilled"] - sizes["baseline"]) < 1000  # but for the text of its description
    assert outputs["distilled"].shape == ((1, 84, 6) if nms is False else (1, 14, 84))
    np.testing.assert_array_equal(outputs["distilled"], outputs["plain"])


@pytest.mark.parametrize(
    ("images", "fraction", "read"),
    [
        ({"train": 33, "val": 16}, 1.0, "32 images for train"),
        ({"val": 15}, 1.0, "16 images for val"),
        ({"train": 40}, 0.5, "16 images for train"),
    ],
)
def test_a_training_counts_its_images(
    project: Path, tmp_path: Path, images: dict[str, int], fraction: float, read: str
) -> None:
    counted = replace(job(project, fraction=fraction), images=images)
    with pytest.raises(KdpipeError, match=f"Ultralytics reads {read}, but"):
        train(counted, tmp_path / "work", Heard(), Console(quiet=True))


def test_the_history_has_every_loss_and_metric(baseline: TrainingResult, distilled: TrainingResult) -> None:
    alone, taught = (read_history(trained.files[0]) for trained in (baseline, distilled))
    assert [row["epoch"] for row in taught] == [1, 2, 3]
    expected = {"train/box_loss", "train/cls_loss", "train/l1_loss", "val/box_loss", "metrics/mAP50-95", "lr"}
    assert expected <= alone[0].keys()
    assert taught[0].keys() - alone[0].keys() == {"train/dis_loss", "train/dis_gradient"}
    assert all(row["train/dis_loss"] > 0 and row["train/dis_gradient"] > 0 for row in taught)


def test_baseline_and_distilled_differ_in_the_teacher_alone(
    baseline: TrainingResult, distilled: TrainingResult
) -> None:
    different = {key for key in baseline.arguments if baseline.arguments[key] != distilled.arguments.get(key)}
    assert different == {"dis"}
    assert baseline.arguments["device"] == "cpu"
    assert baseline.arguments["amp"] is precision(baseline.arguments["imgsz"]).mixed


def test_they_start_from_the_same_weights(project: Path, teacher_weights: Path) -> None:
    """One step that learns nothing shows the start weights: lr 0, no running statistics compared."""
    frozen = {"epochs": 1, "lr0": 0.0, "warmup_bias_lr": 0.0, "optimizer": "SGD", "weight_decay": 0.0}
    states = []
    for name, teacher in (("a", None), ("b", teacher_weights)):
        done = train(job(project, teacher, **frozen), project / name, Heard(), Console(quiet=True))
        model = torch.load(done.best, weights_only=False)["model"]
        states.append(dict(model.named_parameters()))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_seed_means_the_same_whatever_is_validated_on(baseline: TrainingResult, tmp_path: Path) -> None:
    """Ultralytics' set-up draws random numbers by the number of validation images (here 16 and 24)."""
    digits = Digits(train=32, val=24, test=16, size=64)
    prepare(Data(source="digits", task="detect", digits=digits), tmp_path / "dataset")
    wanted = replace(job(tmp_path), images={"train": 32, "val": 24})
    other = train(wanted, tmp_path / "work", Heard(), Console(quiet=True))
    losses = [
        [row["train/box_loss"] for row in read_history(trained.files[0])] for trained in (baseline, other)
    ]
    assert losses[0] == losses[1]


def test_a_diverged_training_says_so(project: Path) -> None:
    """A weight beyond float32 makes the loss infinite; Ultralytics gives up after an epoch or two."""
    broken = {"box": 1e39}
    with pytest.raises(KdpipeError, match=r"diverged .*NaN.* lower train.lr0"):
        train(job(project, **broken), project / "diverged", Heard(), Console(quiet=True))


def test_the_log_can_be_read(distilled: TrainingResult) -> None:
    log = distilled.files[1].read_text()
    assert "epochs completed" in log
    assert "\r" not in log
    assert "\x1b" not in log


@pytest.mark.usefixtures("baseline")
def test_all_cores_compute() -> None:
    assert torch.get_num_threads() == cpu_threads()


@pytest.mark.usefixtures("baseline")
def test_the_own_callbacks_of_ultralytics_stay_off(project: Path) -> None:
    from ultralytics import settings

    assert not any(settings[name] for name in ("mlflow", "dvc", "wandb", "comet", "clearml", "raytune"))
    assert settings["sync"] is False
    assert str(settings.file).startswith(str(REPOSITORY)) or ".kdpipe" in str(settings.file)
    assert not (project / "dvc.yaml").exists()
    assert not list(project.glob("mlruns*"))
    assert not (project / "runs").exists()
