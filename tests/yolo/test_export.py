"""Exported files: their head, what they compute, and what is in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor

from kdpipe.errors import KdpipeError
from kdpipe.models.formats import FORMATS, Format
from kdpipe.models.names import read
from kdpipe.yolo.export import Settings, export, log_file
from kdpipe.yolo.exported import check_exported, loaded, milliseconds
from tests.project import REPOSITORY

SIDE, CLASSES = 64, 10
NOTE = "digits by kdpipe, 0123456789abcdef"


def checkpoint(folder: Path, seed: int) -> Path:
    """A yolo26n of ten digits with random weights, which is as sure of something as one that has learned."""
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(seed)
    path = folder / f"best-{seed}.pt"
    model = YOLO("yolo26n.yaml")
    model.model = DetectionModel("yolo26n.yaml", nc=CLASSES, verbose=False)
    model.model.names = {digit: str(digit) for digit in range(CLASSES)}
    head = model.model.model[-1]
    for branches in (head.cv3, head.one2one_cv3):
        for branch in branches:
            torch.nn.init.normal_(branch[-1].bias)
            torch.nn.init.normal_(branch[-1].weight, std=0.5)
    model.save(path)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def weights(place: Path) -> Path:
    return checkpoint(place, 0)


@pytest.fixture(scope="module")
def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, SIDE, SIDE, generator=generator) for _ in range(4)]


@pytest.fixture(autouse=True)
def _logs_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def settings(data: Path = Path("data.yaml"), calibrate: str = "train") -> Settings:
    return Settings(imgsz=SIDE, max_det=300, device="cpu", data=data, calibrate=calibrate, fraction=1.0)


@pytest.fixture(scope="module")
def files(place: Path, weights: Path) -> dict[str, Path]:
    return {
        head: export(weights, FORMATS["onnx"], head, settings(), note=NOTE, folder=place / "onnx" / head)
        for head in ("e2e", "nms")
    }


@pytest.mark.parametrize("name", ["yolo26n-seg", "yolo26n-pose", "yolo26n-obb", "yolo11n"])
def test_every_task_and_family_can_be_checked(name: str, place: Path, images: list[Tensor]) -> None:
    """Masks and features come with the predictions; a family without the e2e head has one file."""
    from ultralytics import YOLO

    path = place / f"{name}.pt"
    YOLO(f"{name}.yaml").save(path)
    for head in read(name).heads:
        folder = place / name / head
        file = export(path, FORMATS["torchscript"], head, settings(), note=NOTE, folder=folder)
        assert check(file, path, head, images) == "scores differ by 0.0000, boxes by 0.00 % of the image"


def check(file: Path, weights: Path, head: str, images: list[Tensor]) -> str:
    return str(check_exported(file, weights, head, 32, images, device="cpu", log=file.parent / "log"))


@pytest.mark.parametrize("head", ["e2e", "nms"])
def test_each_head_computes_what_that_of_its_checkpoint_computes(
    files: dict[str, Path], weights: Path, images: list[Tensor], head: str
) -> None:
    assert (
        check(files[head], weights, head, images) == "scores differ by 0.0000, boxes by 0.00 % of the image"
    )


@pytest.mark.parametrize(("head", "other"), [("e2e", "nms"), ("nms", "e2e")])
def test_a_file_with_the_wrong_head_is_refused(
    files: dict[str, Path], weights: Path, images: list[Tensor], head: str, other: str
) -> None:
    with pytest.raises(KdpipeError, match=f"has not the {head} head: its output is"):
        check(files[other], weights, head, images)


@pytest.mark.parametrize("head", ["e2e", "nms"])
def test_a_file_of_other_weights_is_refused(
    files: dict[str, Path], place: Path, images: list[Tensor], head: str
) -> None:
    with pytest.raises(KdpipeError, match="computes something else than"):
        check(files[head], checkpoint(place, 1), head, images)


def test_a_file_is_the_student_alone_and_says_what_it_is(files: dict[str, Path], weights: Path) -> None:
    for head, columns in (("e2e", 6), ("nms", 4 + CLASSES)):
        found = onnx.load(files[head])
        assert [value.name for value in found.graph.input] == ["images"]
        (output,) = found.graph.output
        shape = [dimension.dim_value for dimension in output.type.tensor_type.shape.dim]
        assert shape[-1 if head == "e2e" else 1] == columns
        said = {entry.key: entry.value for entry in found.metadata_props}
        assert NOTE in said["description"]
        assert (said["stride"], said["end2end"]) == ("32", str(head == "e2e"))
        assert said["names"] == str({digit: str(digit) for digit in range(CLASSES)})
        half = weights.stat().st_size  # a checkpoint stores 16 bits per weight, and both heads
        assert files[head].stat().st_size < 2.2 * half


def test_time_is_measured_as_quartiles(files: dict[str, Path], images: list[Tensor], place: Path) -> None:
    low, middle, high = milliseconds(loaded(files["nms"], "cpu", place / "log"), images[0])
    assert 0 < low <= middle <= high < 1000


def test_what_cannot_be_exported_leaves_nothing(weights: Path, place: Path) -> None:
    """Half precision of TorchScript needs a GPU."""
    wanted = Format("torchscript-fp16", "torchscript", 16)
    folder = place / "refused" / "e2e"
    with pytest.raises(KdpipeError, match=r"cannot be exported to torchscript-fp16: FP16 TorchScript"):
        export(weights, wanted, "e2e", settings(), note=NOTE, folder=folder)
    assert list(folder.parent.iterdir()) == []


FULL = """
import resource, signal, sys
from pathlib import Path
from kdpipe.models.formats import FORMATS
from kdpipe.models.names import read
from kdpipe.yolo.export import Settings, export, log_file
from kdpipe.yolo.hermetic import configure
configure()
import ultralytics.engine.exporter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, 6_000_000))
settings = Settings(64, 300, "cpu", Path("data.yaml"), "train", 1.0)
export(Path(sys.argv[1]), FORMATS["onnx"], "e2e", settings, note="", folder=Path(sys.argv[2]))
"""


def test_a_full_disk_leaves_no_half_file(weights: Path, place: Path) -> None:
    """The copy of the checkpoint still fits, the exported file does not."""
    assert weights.stat().st_size < 6_000_000
    folder = place / "full" / "e2e"
    answer = subprocess.run(
        [sys.executable, "-c", FULL, str(weights), str(folder)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode
    assert not folder.exists()
    assert list(folder.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("head", ["e2e", "nms"])
def test_int8_is_calibrated_on_training_images(weights: Path, tmp_path: Path, head: str) -> None:
    """There are no others here."""
    import cv2
    import numpy as np

    folder = tmp_path / "images" / "train"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), noise.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))
    names = "\n".join(f"  {digit}: '{digit}'" for digit in range(CLASSES))
    data = tmp_path / "data.yaml"
    data.write_text(
        f"path: {tmp_path}\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n{names}\n"
    )
    file = export(
        weights, FORMATS["openvino-int8"], head, settings(data), note=NOTE, folder=tmp_path / "int8" / head
    )
    log = log_file().read_text()
    assert "found 4 images" in log
    images = [torch.rand(1, 3, SIDE, SIDE) for _ in range(4)]
    check_exported(file, weights, head, 8, images, device="cpu", log=tmp_path / "int8/export.log")
    size = sum(path.stat().st_size for path in file.iterdir())
    assert size < 0.75 * weights.stat().st_size, "a checkpoint has 16 bits per weight"
