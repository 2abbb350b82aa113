"""What kdpipe's trainers change of Ultralytics', and that the result is the same."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from kdpipe.data.prepare import prepare
from kdpipe.params.schema import Data, Digits
from kdpipe.runner.lean_teacher import FusedConv, has_onednn, make_lean
from kdpipe.runner.trainers import TRAINERS
from kdpipe.yolo import arguments
from kdpipe.yolo.hermetic import configure
from kdpipe.yolo.precision import BFLOAT16, FLOAT32, Precision


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faster")
    digits = Digits(train=16, val=16, test=16, size=64)
    prepare(Data(source="digits", task="detect", digits=digits), folder / "dataset")
    return folder / "dataset/data.yaml"


@pytest.fixture(scope="module")
def taught_weights(teacher_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher whose normalisation does something, so that fusing it can go wrong."""
    checkpoint = torch.load(teacher_weights, weights_only=False)
    generator = torch.Generator().manual_seed(0)
    for module in checkpoint["model"].modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            shape = module.running_mean.shape
            module.running_mean.copy_(torch.randn(shape, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(shape, generator=generator) + 0.5)
    path = tmp_path_factory.mktemp("taught") / "teacher.pt"
    torch.save(checkpoint, path)
    return path


def set_up(trainer_class: Any, data: Path, teacher: Path | None = None, **changes: object) -> Any:
    """A trainer just before its first step."""
    configure()
    overrides = {
        "task": "detect",
        "model": "yolo26n.yaml",
        "data": str(data),
        "imgsz": 64,
        "batch": 16,
        "optimizer": "AdamW",
        "device": "cpu",
        "save_dir": str(data.parent.parent / "run"),
        "exist_ok": True,
        "amp": False,
        "plots": False,
    }
    if teacher is not None:
        overrides |= {"distill_model": str(teacher), "dis": 6.0}
    trainer = trainer_class(overrides=overrides | changes)
    trainer._setup_train()
    trainer.model.train()
    return trainer


def one_step(trainer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The distillation loss of the first batch, and its gradients in the student."""
    torch.manual_seed(0)
    for layer in trainer.model.projector.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.reset_parameters()
    batch = trainer.preprocess_batch(dict(next(iter(trainer.train_loader))))
    losses, items = trainer.model(batch)
    losses[-1].backward()
    gradients = [p.grad.flatten() for p in trainer.model.student_model.parameters() if p.grad is not None]
    return items["dis_loss"], torch.cat(gradients)


@pytest.fixture(scope="module")
def exact(dataset: Path, taught_weights: Path) -> tuple[torch.Tensor, torch.Tensor]:
    from ultralytics.models.yolo.detect import DetectionTrainer

    return one_step(set_up(DetectionTrainer, dataset, taught_weights))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 1e-2)])
def test_a_lean_teacher_teaches_the_same(
    dataset: Path,
    taught_weights: Path,
    exact: tuple[torch.Tensor, torch.Tensor],
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    """Against Ultralytics' own teacher in float32: the loss, and the gradients in the student."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    trainer = set_up(DetectionTrainer, dataset, taught_weights)
    make_lean(trainer.model, dtype)
    layers = trainer.model.teacher_model.modules()
    assert has_onednn(dtype) == any(isinstance(layer, FusedConv) for layer in layers)
    loss, gradients = one_step(trainer)
    assert exact[0].item() > 0
    assert loss.item() == pytest.approx(exact[0].item(), rel=tolerance)
    assert cosine_similarity(gradients, exact[1], dim=0).item() > 1 - tolerance / 10


def test_a_teacher_in_bfloat16_takes_images_of_other_sizes(dataset: Path, taught_weights: Path) -> None:
    """As with `multi_scale`, and in the last batch of an epoch."""
    found = []
    for amp in (True, False):
        model = set_up(TRAINERS["detect"], dataset, taught_weights, amp=amp).model
        torch.manual_seed(0)
        with torch.no_grad():
            model.teacher_model(torch.rand(3, 3, 96, 96))
        features = model._teacher_feats
        scores = [features[3][branch]["scores"] for branch in ("one2many", "one2one")]
        found.append([features[level] for level in range(3)] + scores)
    for rough, precise in zip(*found, strict=True):
        assert rough.shape == precise.shape
        assert (rough.float() - precise).norm() < 0.02 * precise.norm()
    assert (found[0][0].dtype is torch.bfloat16) == has_onednn(torch.bfloat16)


def test_a_student_learns_the_same(
    dataset: Path, taught_weights: Path, exact: tuple[torch.Tensor, torch.Tensor]
) -> None:
    """All that kdpipe changes of a step in float32, against Ultralytics' own."""
    trainer = set_up(TRAINERS["detect"], dataset, taught_weights)
    loss, gradients = one_step(trainer)
    assert loss.item() == pytest.approx(exact[0].item(), rel=1e-4)
    assert cosine_similarity(gradients, exact[1], dim=0).item() > 1 - 1e-5


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    """In a process of its own, as the setting stays."""
    code = """if True:
        import resource, psutil, torch
        from kdpipe.runner.cpu import give_back_freed_memory, keep_freed_memory
        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(5):
                torch.ones(2**24)
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        def mib():
            return psutil.Process().memory_info().rss >> 20
        first = faults()
        keep_freed_memory()
        for _ in range(3):
            faults()
        print(first, faults())
        kept = mib()
        give_back_freed_memory()
        print(kept, mib())
    """
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (before, after), (kept, left) = (map(int, line.split()) for line in answer.stdout.splitlines())
    assert after < before / 10
    assert kept - left > 2**24 * 4 / 2**20 - 10


@pytest.mark.nightly
def test_a_compiled_student_learns_the_same(
    dataset: Path,
    taught_weights: Path,
    exact: tuple[torch.Tensor, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ultralytics would leave a student with a teacher as it is.

    The graph is captured as always, and then run without the C++ compiler, which takes minutes.
    """
    exactly = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **_: exactly(function, backend="aot_eager"))
    trainer = set_up(TRAINERS["detect"], dataset, taught_weights, compile=True)
    from torch._dynamo.utils import counters

    counters.clear()
    loss, gradients = one_step(trainer)
    assert counters["stats"]["unique_graphs"] > 0
    assert loss.item() == pytest.approx(exact[0].item(), rel=1e-4)
    assert cosine_similarity(gradients, exact[1], dim=0).item() > 1 - 1e-5
    assert trainer.used_arguments["compile"] is True


def test_a_lean_teacher_is_smaller(dataset: Path, taught_weights: Path) -> None:
    trainer = set_up(TRAINERS["detect"], dataset, taught_weights)
    teacher = trainer.model.teacher_model
    whole = torch.load(taught_weights, weights_only=False)["model"]
    assert sum(p.numel() for p in teacher.parameters()) < sum(p.numel() for p in whole.parameters())
    assert not [m for m in teacher.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not any(p.requires_grad for p in teacher.parameters())


@pytest.mark.parametrize("amp", [False, True])
def test_baseline_and_distilled_are_sped_up_alike(dataset: Path, taught_weights: Path, amp: bool) -> None:
    alone = set_up(TRAINERS["detect"], dataset, amp=amp)
    taught = set_up(TRAINERS["detect"], dataset, taught_weights, amp=amp)
    for trainer, student in ((alone, alone.model), (taught, taught.model.student_model)):
        assert trainer.amp is amp
        assert all(
            p.is_contiguous(memory_format=torch.channels_last) for p in student.parameters() if p.ndim == 4
        )
        assert all(group["fused"] for group in trainer.optimizer.param_groups)
        assert len(student.model[-1]._forward_hooks) == (trainer is taught) + amp
    projector = list(taught.model.projector.parameters())
    assert weights_in(taught.optimizer) == weights_in(alone.optimizer) + sum(p.numel() for p in projector)


def weights_in(optimizer: torch.optim.Optimizer) -> int:
    return sum(p.numel() for group in optimizer.param_groups for p in group["params"])


def test_mixed_precision_leaves_the_loss_in_float32(dataset: Path) -> None:
    trainer = set_up(TRAINERS["detect"], dataset, amp=True)
    batch = trainer.preprocess_batch(dict(next(iter(trainer.train_loader))))
    seen = []
    trainer.model.model[0].register_forward_hook(lambda *hooked: seen.append(hooked[2].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = trainer.model(batch["img"])
    assert seen == [torch.bfloat16]
    for branch in outputs.values():
        assert {branch["boxes"].dtype, branch["scores"].dtype} == {torch.float32}


@pytest.mark.parametrize(
    ("given", "supported", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"amp": True}, False, False),
        ({"amp": "bf16"}, True, True),
        ({"amp": "bf16"}, False, True),
        ({"amp": "fp32"}, True, False),
        ({"amp": False}, True, False),
    ],
)
def test_mixed_precision_on_a_cpu_needs_fast_bfloat16(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], supported: bool, expected: bool
) -> None:
    monkeypatch.setattr(arguments, "precision", lambda _: Precision(BFLOAT16 if supported else FLOAT32, ""))
    assert arguments.resolved({"device": "cpu", **given})["amp"] is expected
