"""Nothing of a checkpoint or of a model yaml is run: not by `kdpipe check`, a training, or as a teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from kdpipe.cells.record import Identity
from kdpipe.checks.preflight import preflight
from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError
from kdpipe.params.schema import Data, Digits
from kdpipe.runner.job import Job
from kdpipe.runner.train import train
from kdpipe.yolo import validation
from kdpipe.yolo.opening import save_rebuilt
from tests.bad_inputs import _own_yaml, model_file, shipped_yaml
from tests.yolo.attacks import ATTACKS, CODE, MARKER, attacking

Attack = Callable[[Any], None]
Write = Callable[..., Path]
ARGUMENTS = {"epochs": 1, "imgsz": 64, "batch": 8, "nbs": 8, "mosaic": 0.0, "device": "cpu"}


class Deaf:
    """A listener that forgets."""

    def epoch(self, epoch: int, values: Mapping[str, float], ended: float) -> None:
        pass


@pytest.fixture(autouse=True)
def _without_the_safe_loading_of_ultralytics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would stop most attacks too; kdpipe does not rely on it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ultralytics.nn.tasks.SAFE_LOAD", False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    digits = Digits(train=8, val=8, test=8, size=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(Data(source="digits", task="detect", digits=digits), folder / "dataset")
    return folder / "dataset/data.yaml"


every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)


@every_attack
def test_an_attack_is_one(attack: Attack) -> None:
    """Opened and measured by Ultralytics alone, each checkpoint runs its code."""
    import torch
    from ultralytics.nn.tasks import load_checkpoint
    from ultralytics.utils.torch_utils import get_flops

    attacking(attack)(Path("mine.pt"))
    try:
        model, _ = load_checkpoint("mine.pt")
        get_flops(model, 64)
        model(torch.zeros(1, 3, 64, 64))
    except Exception:  # noqa: S110 - what an attack returns is no result of a layer
        pass
    assert Path(MARKER).exists()


@every_attack
def test_check_does_not_run_it(attack: Attack, write_params: Write) -> None:
    attacking(attack)(Path("mine.pt"))
    with pytest.raises(
        KdpipeError, match=r"students\.yolo26n\.init: .*mine\.pt is (more than a|not the) model"
    ):
        preflight(write_params(students__yolo26n={"init": "mine.pt"}))
    assert not Path(MARKER).exists()


@every_attack
def test_check_does_not_run_it_when_it_is_trusted(attack: Attack, write_params: Write) -> None:
    """A digest of the user says which file it is; it does not make its code part of a model."""
    from hashlib import sha256

    attacking(attack)(Path("mine.pt"))
    entry = {"init": "mine.pt", "sha256": sha256(Path("mine.pt").read_bytes()).hexdigest()}
    with pytest.raises(KdpipeError, match=r"mine\.pt is (more than a|not the) model"):
        preflight(write_params(students__yolo26n=entry))
    assert not Path(MARKER).exists()


def job(dataset: Path, start: str = "yolo26n.yaml", teacher: Path | None = None) -> Job:
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
        arguments=ARGUMENTS,
        dis=None if teacher is None else 3.0,
    )
    return Job(identity, start=start, data=dataset, teachers=[teacher] if teacher else [])


@every_attack
def test_a_training_does_not_run_it(attack: Attack, dataset: Path) -> None:
    """Even where the file was put there after the check."""
    attacking(attack)(Path("mine.pt"))
    with pytest.raises(KdpipeError, match=r"mine\.pt is (more than a|not the) model"):
        train(job(dataset, start=str(Path("mine.pt").resolve())), Path("work"), Deaf(), Console(quiet=True))
    assert not Path(MARKER).exists()


@every_attack
def test_a_teacher_does_not_run_it(attack: Attack, dataset: Path) -> None:
    attacking(attack, "yolo26s")(Path("teacher.pt"))
    with pytest.raises(KdpipeError, match=r"teacher\.pt is (more than a|not the) model"):
        train(job(dataset, teacher=Path("teacher.pt")), Path("work"), Deaf(), Console(quiet=True))
    assert not Path(MARKER).exists()


@every_attack
def test_a_validation_does_not_run_it(attack: Attack) -> None:
    attacking(attack)(Path("mine.pt"))
    with pytest.raises(KdpipeError, match=r"mine\.pt is (more than a|not the) model"):
        validation.opened(Path("mine.pt"))
    assert not Path(MARKER).exists()


@every_attack
def test_a_registered_model_does_not_have_it(attack: Attack) -> None:
    attacking(attack)(Path("mine.pt"))
    with pytest.raises(KdpipeError, match=r"mine\.pt is (more than a|not the) model"):
        save_rebuilt(Path("mine.pt"), Path("best.pt"))
    assert not Path(MARKER).exists()
    assert not Path("best.pt").exists()


def test_a_criterion_is_forgotten() -> None:
    """Unfinished trainings have one; it is not needed for anything."""
    import torch

    def criterion(model: Any) -> None:
        from ultralytics.utils.loss import v8DetectionLoss

        model.criterion = v8DetectionLoss.__new__(v8DetectionLoss)
        model.criterion.parse_output = torch.nn.Identity()

    attacking(criterion)(Path("mine.pt"))
    save_rebuilt(Path("mine.pt"), Path("best.pt"))
    assert not hasattr(torch.load("best.pt", weights_only=False)["model"], "criterion")


NESTED = {"activation": CODE, "nc": 1, "backbone": [[-1, 1, "Conv", [8, 3, 2]]], "head": []}


def nested_yaml(rows: list[Any]) -> None:
    rows[0] = [-1, 1, "DetectionModel", [NESTED]]


def loader(rows: list[Any]) -> None:
    rows[0] = [-1, 1, "torch_safe_load", ["second.pt"]]


def whole_model(rows: list[Any]) -> None:
    rows[0] = [-1, 1, "TorchVision", [512, "resnet18", "DEFAULT", True, 2]]


every_yaml = pytest.mark.parametrize(
    "attack", [nested_yaml, loader, whole_model], ids=lambda attack: attack.__name__
)


@every_yaml
def test_an_own_yaml_does_not_run_it(attack: Attack, write_params: Write, tmp_path: Path) -> None:
    backbone = OmegaConf.to_container(OmegaConf.load(shipped_yaml("26/yolo26")))["backbone"]  # type: ignore[index, call-overload]
    attack(backbone)
    changes = _own_yaml("yolo26n-mine.yaml", backbone=backbone)(tmp_path)
    with pytest.raises(
        KdpipeError, match=r"backbone\[0\]: \w+ is no layer that Ultralytics' own models have"
    ):
        preflight(write_params(**changes))
    assert not Path(MARKER).exists()


@every_yaml
def test_the_yaml_in_a_checkpoint_does_not_run_it(
    attack: Attack, write_params: Write, tmp_path: Path
) -> None:
    import torch

    model_file()(tmp_path / "mine.pt")
    checkpoint = torch.load(tmp_path / "mine.pt", weights_only=False)
    attack(checkpoint["model"].yaml["backbone"])
    torch.save(checkpoint, tmp_path / "mine.pt")
    with pytest.raises(KdpipeError, match=r"mine\.pt is more than a model: .* is no layer that"):
        preflight(write_params(students__yolo26n={"init": "mine.pt"}))
    assert not Path(MARKER).exists()
