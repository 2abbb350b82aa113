"""What has to hold on a GPU. It needs neither DVC nor MLflow, which machines that only train may lack."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks.step import (
    DISTILLED,
    OURS_DISTILLED,
    Setting,
    Stepper,
    Variant,
    four,
    prepare_data,
    save_teacher,
)
from benchmarks.train import kdpipe as train
from kdpipe.models.methods import METHODS
from kdpipe.params.schema import L2, Validate
from kdpipe.yolo.arguments import device
from kdpipe.yolo.device import device_name
from kdpipe.yolo.validation import opened, validate

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
IMGSZ, BATCH = 64, 4
WITH_IMAGES = [method.name for method in METHODS.values() if not method.backbone]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and a teacher of each family that one of the methods needs."""
    found = tmp_path_factory.mktemp("gpu")
    prepare_data(found, IMGSZ, BATCH)
    for family in ("yolo26", "yolo11"):
        (found / family).mkdir()
        (found / family / "dataset").symlink_to(found / "dataset")
        save_teacher(f"{family}s", found / family / "teacher.pt")
    return found


def stepper(variant: Variant, folder: Path, family: str = "yolo26", *, amp: bool = True) -> Stepper:
    place = folder / family
    return Stepper(variant, Setting(f"{family}n", f"{family}s", IMGSZ, BATCH, amp, device(), place))


def test_a_distilled_step_has_the_loss_of_ultralytics(folder: Path) -> None:
    steppers = {name: four(L2)[name] for name in (DISTILLED, OURS_DISTILLED)}
    trainers = {name: stepper(variant, folder, amp=False)._trainer for name, variant in steppers.items()}
    own, mine = trainers[DISTILLED], trainers[OURS_DISTILLED]
    mine.model.load_state_dict(own.model.state_dict(), strict=False)
    batch = own.preprocess_batch(next(iter(own.train_loader)))
    losses = [float(trainer.model(dict(batch))[0].sum()) for trainer in (own, mine)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("method", WITH_IMAGES)
def test_every_method_steps_with_mixed_precision(method: str, folder: Path) -> None:
    family = "yolo26" if "yolo26" in METHODS[method].families else "yolo11"
    found = stepper(Variant(kdpipe=True, method=method), folder, family)
    before = [value.detach().clone() for value in found._trainer.model.student_model.parameters()]
    found.step()
    after = list(found._trainer.model.student_model.parameters())
    assert all(torch.isfinite(value).all() for value in after)
    assert any((old != new).any() for old, new in zip(before, after, strict=True))
    assert found.peak_memory_mib() > 0


def test_a_training_names_the_device_and_its_student_is_the_same_on_a_cpu(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = folder / "dataset/data.yaml"
    done = train(
        tmp_path / "work",
        {
            "model": "yolo26n.yaml",
            "data": str(data),
            "seed": 0,
            "distill_model": str(folder / "yolo26/teacher.pt"),
            "dis": 1.0,
            "epochs": 2,
            "imgsz": IMGSZ,
            "batch": BATCH,
            "nbs": BATCH,
            "optimizer": "AdamW",
        },
    )
    assert done.device == device_name(device())
    assert done.peak_memory_mib > 0
    assert done.epochs == 2
    measure = partial(
        validate,
        opened(done.best),
        data,
        "val",
        options=Validate(),
        images=BATCH,
        imgsz=IMGSZ,
        log=tmp_path / "log",
    )
    for head in ("e2e", "nms"):
        (here, _), (there, _) = (measure(head=head, device=where) for where in (device(), "cpu"))
        assert here["mAP50-95"] == pytest.approx(there["mAP50-95"], abs=0.01)
