"""A model that is built afresh is the one in the file, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

from kdpipe.errors import KdpipeError
from kdpipe.yolo.inert import Inert, read_inert
from kdpipe.yolo.inspect import inspect
from kdpipe.yolo.opening import rebuilding, save_rebuilt
from kdpipe.yolo.trust import foreign_parts
from tests.bad_inputs import model_file

# After kdpipe.yolo has isolated Ultralytics.
from ultralytics.nn import tasks  # isort: skip
from ultralytics.utils import IterableSimpleNamespace  # isort: skip

KINDS = {
    "": tasks.DetectionModel,
    "-seg": tasks.SegmentationModel,
    "-pose": tasks.PoseModel,
    "-obb": tasks.OBBModel,
}
STEMS = ["yolov8n", "yolo11n", "yolo26n"]
Change = Callable[[Any], None]


def made(stem: str, suffix: str = "", classes: int = 3, channels: int = 3) -> Any:
    """A model with weights and statistics as if it were trained."""
    torch.manual_seed(0)
    model = KINDS[suffix](f"{stem}{suffix}.yaml", nc=classes, ch=channels, verbose=False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    model.names = {index: f"class {index}" for index in range(classes)}
    return model


def save(model: Any, path: Path, **more: object) -> Path:
    """As Ultralytics' trainer saves it."""
    for parameter in model.parameters():
        parameter.requires_grad = False
    torch.save({"model": model.half(), "train_args": {"imgsz": 64, "data": "a.yaml"}, **more}, path)
    return path


def opened_both_ways(path: Path) -> tuple[Any, Any]:
    """The model in the file, and the one that is built afresh."""
    theirs, _ = tasks.load_checkpoint(path)
    with rebuilding(path):
        ours, _ = tasks.load_checkpoint(path)
    return theirs, ours


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors(item)]
    return [value]


def check_same(theirs: Any, ours: Any) -> None:
    assert type(ours) is type(theirs)
    assert ours.names == theirs.names
    assert torch.equal(ours.stride, theirs.stride)
    assert ours.end2end == theirs.end2end
    assert (ours.task, ours.args, ours.pt_path) == (theirs.task, theirs.args, theirs.pt_path)
    assert not ours.training
    assert getattr(ours, "criterion", None) is None
    expected = theirs.state_dict()
    found = ours.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value)
        assert (found[name].dtype, found[name].stride()) == (value.dtype, value.stride())
    learning = [parameter.requires_grad for parameter in theirs.parameters()]
    assert [parameter.requires_grad for parameter in ours.parameters()] == learning
    channels = next(theirs.parameters()).shape[1]
    images = torch.rand(2, channels, 64, 128, generator=torch.Generator().manual_seed(1))
    for head in (False, True) if hasattr(theirs.model[-1], "one2one_cv2") else (False,):
        theirs.end2end = ours.end2end = head
        with torch.no_grad():
            for a, b in zip(tensors(theirs(images)), tensors(ours(images)), strict=True):
                assert torch.equal(a, b)


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("stem", STEMS)
def test_every_family_and_task(stem: str, suffix: str, tmp_path: Path) -> None:
    check_same(*opened_both_ways(save(made(stem, suffix), tmp_path / "mine.pt")))


@pytest.mark.nightly
@pytest.mark.parametrize("stem", ["yolov8n-p2", "yolov8n-p6", "yolo26n-p2", "yolo26n-p6", "yolo26m"])
def test_other_levels_and_sizes(stem: str, tmp_path: Path) -> None:
    check_same(*opened_both_ways(save(made(stem), tmp_path / "mine.pt")))


@pytest.mark.parametrize("classes", [(80, 3), (3, 80), (80, 120)])
@pytest.mark.parametrize("stem", STEMS)
def test_weights_of_other_classes(stem: str, classes: tuple[int, int], tmp_path: Path) -> None:
    """The hidden layers of a head keep the width that they had with the classes before."""
    before, after = classes
    model = made(stem, classes=after)
    model.load(made(stem, classes=before), verbose=False)
    check_same(*opened_both_ways(save(model, tmp_path / "mine.pt")))


def unlike_its_yaml(model: Any) -> None:
    """Settings that were changed after the model was built."""
    model.model[0].bn.eps = 0.1
    model.model[2].m[0].add = not model.model[2].m[0].add


def on_the_other_head(model: Any) -> None:
    model.end2end = False


def channels_last(model: Any) -> None:
    model.to(memory_format=torch.channels_last)


def learning(model: Any) -> None:
    for parameter in model.model[-1].parameters():
        parameter.requires_grad = True


def used(model: Any) -> None:
    model.eval()(torch.zeros(1, 3, 64, 64))


def with_a_criterion(model: Any) -> None:
    model.args = IterableSimpleNamespace(box=1.0, cls=1.0, dfl=1.0, epochs=1, task="detect")
    model.criterion = model.init_criterion()


@pytest.mark.parametrize(
    "change", [unlike_its_yaml, on_the_other_head, channels_last, learning, used], ids=lambda f: f.__name__
)
def test_what_happened_to_a_model_since_it_was_built(change: Change, tmp_path: Path) -> None:
    model = made("yolo26n")
    change(model)
    torch.save({"model": model}, tmp_path / "mine.pt")
    check_same(*opened_both_ways(tmp_path / "mine.pt"))


def test_gray_images(tmp_path: Path) -> None:
    check_same(*opened_both_ways(save(made("yolo26n", channels=1), tmp_path / "mine.pt")))


def test_an_unfinished_training(tmp_path: Path) -> None:
    model = made("yolo26n")
    with_a_criterion(model)
    torch.save({"ema": model, "model": None, "optimizer": {"state": {}}}, tmp_path / "last.pt")
    _, ours = opened_both_ways(tmp_path / "last.pt")
    assert not hasattr(ours, "criterion")
    assert inspect(tmp_path / "last.pt", 64).unfinished


@pytest.mark.shared_data
@pytest.mark.parametrize("stem", STEMS)
def test_trained_weights(stem: str, shared_data: Path) -> None:
    check_same(*opened_both_ways(shared_data / f"weights/{stem}-coco-from-int8.pt"))


def test_an_older_checkpoint(tmp_path: Path) -> None:
    """Before 8.3, segment heads had a function of another class, and numbers were numpy's."""
    from ultralytics.nn.modules import Detect

    model = made("yolo11n", "-seg")
    model.model[-1].detect = Detect.forward
    path = save(model, tmp_path / "old.pt", best_fitness=np.float64(0.5))
    assert foreign_parts(path) is None
    check_same(*opened_both_ways(path))


def test_the_same_random_numbers_follow(tmp_path: Path) -> None:
    path = save(made("yolo26n"), tmp_path / "mine.pt")
    expected = torch.manual_seed(7).get_state()
    with rebuilding(path):
        tasks.load_checkpoint(path)
    assert torch.equal(torch.get_rng_state(), expected)


def test_properties_are_those_of_the_model_in_the_file(tmp_path: Path) -> None:
    from ultralytics.utils.torch_utils import get_flops

    path = save(made("yolo26n", "-pose"), tmp_path / "mine.pt")
    theirs, _ = tasks.load_checkpoint(path)
    found = inspect(path, 64)
    assert found.parameters == sum(p.numel() for p in theirs.parameters())
    assert found.gflops == round(get_flops(theirs, 64), 3) > 0
    assert (found.names, found.imgsz, found.data) == (["class 0", "class 1", "class 2"], 64, "a.yaml")


def test_a_rebuilt_file_is_an_ordinary_checkpoint(tmp_path: Path) -> None:
    path = save(made("yolo26n"), tmp_path / "mine.pt")
    save_rebuilt(path, tmp_path / "best.pt")
    assert foreign_parts(tmp_path / "best.pt") is None
    assert inspect(tmp_path / "best.pt", 64) == inspect(path, 64)
    check_same(tasks.load_checkpoint(path)[0], _as_from(path, tasks.load_checkpoint(tmp_path / "best.pt")[0]))


def _as_from(path: Path, model: Any) -> Any:
    model.pt_path = str(path)
    return model


def another_layer(model: Any) -> None:
    model.model[0].act = nn.ReLU()


def another_layer_inside(model: Any) -> None:
    model.model[2].m.append(nn.Identity())


def another_weight(model: Any) -> None:
    model.model[0].register_buffer("scale", torch.ones(1))


def another_shape(model: Any) -> None:
    model.model[0].conv = nn.Conv2d(3, 24, 3)


def another_way(model: Any) -> None:
    model.model[-1].f = [16, 19, 21]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (another_layer, r"model\.0\.act is a ReLU, not a SiLU"),
        (another_layer_inside, r"model\.2\.m\.1 is in one of them only"),
        (another_weight, r"model\.0\.scale is in one of them only"),
        (another_shape, r"model\.0\.conv\.\w+ (is in one of them only|has the shape)"),
        (another_way, r"model\.23\.f is \[16, 19, 21\], not \[16, 19, 22\]"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_another_model_than_its_yaml_says_is_refused(change: Change, message: str, tmp_path: Path) -> None:
    model = made("yolo26n")
    change(model)
    path = save(model, tmp_path / "mine.pt")
    with pytest.raises(KdpipeError, match=rf"mine\.pt is not the model that its yaml describes: {message}"):
        inspect(path)


def test_a_model_that_cannot_be_built_changes_no_other(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.pt", tmp_path / "good.pt"
    for path in (bad, good):
        model_file()(path)
    checkpoint = torch.load(bad, weights_only=False)
    yaml = checkpoint["model"].yaml
    yaml["activation"] = "nn.ReLU()"
    yaml["backbone"][3][3] = []  # no arguments for a layer
    torch.save(checkpoint, bad)
    before = inspect(good, 64)
    with pytest.raises(KdpipeError, match="its yaml describes: list index out of range"):
        inspect(bad, 64)
    assert inspect(good, 64) == before


@pytest.mark.parametrize(
    "content", [{}, {"model": 7}, {"model": {"yaml": {}}}, 7, {"model": nn.Conv2d(1, 1, 1)}]
)
def test_a_file_without_a_model(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "mine.pt")
    with pytest.raises(KdpipeError, match=r"mine\.pt: not a checkpoint of Ultralytics"):
        inspect(tmp_path / "mine.pt")


def test_ultralytics_loads_safely_too() -> None:
    """What it opens itself, such as a training in progress."""
    assert tasks.SAFE_LOAD


def test_what_ultralytics_allows_is_inert_all_the_same(tmp_path: Path) -> None:
    """Its safe loading allows classes for the life of a process."""
    model_file()(tmp_path / "mine.pt")
    before = get_safe_globals()
    add_safe_globals([tasks.DetectionModel])
    try:
        found = read_inert(tmp_path / "mine.pt")["model"]
        assert isinstance(found, Inert)
        assert tasks.DetectionModel in get_safe_globals()
    finally:
        clear_safe_globals()
        add_safe_globals(before)
