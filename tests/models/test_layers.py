"""Model yamls: what Ultralytics ships is accepted, what would run code or fail later is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kdpipe.checks.preflight import preflight
from kdpipe.errors import KdpipeError
from kdpipe.models.layers import HEAD_LAYERS, LAYERS, layer_problems, scale_problems
from tests.bad_inputs import shipped_yaml
from tests.params.test_yaml_text import BOMB
from tests.project import REPOSITORY

Content = dict[str, Any]
ALL = sorted(shipped_yaml("26/yolo26").parents[1].rglob("*.yaml"))
# Layers of models that are not distilled: of other tasks, with words in the place of classes, of torchvision.
OTHER_LAYERS = {
    "C2fAttn",
    "Classify",
    "Depth",
    "ImagePoolingAttn",
    "RTDETRDecoder",
    "SemanticSegment",
    "TorchVision",
    "WorldDetect",
    "YOLOEDetect",
    "YOLOESegment",
    "YOLOESegment26",
    "v10Detect",
}


def shipped(name: str = "26/yolo26") -> Content:
    content: Content = yaml.safe_load(shipped_yaml(name).read_text())
    return content


def named(content: Content) -> set[str]:
    return {row[2] for part in ("backbone", "head") for row in content[part]}


def test_the_layers_are_those_of_ultralytics() -> None:
    used = set().union(*(named(yaml.safe_load(path.read_text())) for path in ALL))
    assert used - OTHER_LAYERS == LAYERS | HEAD_LAYERS


def test_the_documentation_lists_them() -> None:
    text = (REPOSITORY / "docs/own-data.md").read_text()
    assert ", ".join(f"`{layer}`" for layer in sorted(LAYERS)) in " ".join(text.split())


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_yaml_of_ultralytics_that_can_be_distilled_is_accepted(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert bool([*layer_problems(content)]) == bool(named(content) & OTHER_LAYERS)
    if path.parent.name in ("v8", "11", "26") and not named(content) & OTHER_LAYERS:
        assert not [*scale_problems(content, "n")]


def without(key: str) -> Callable[[Content], None]:
    return lambda content: content.pop(key)


def with_(key: str, value: object) -> Callable[[Content], None]:
    return lambda content: content.update({key: value})


def row(part: str, place: int, field: int, value: object) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content[part][place][field] = value

    return change


BAD = {
    "no backbone": (without("backbone"), "backbone: missing; write its layers as a list"),
    "an empty head": (with_("head", []), "head: missing; write its layers"),
    "a backbone of words": (with_("backbone", "Conv"), "backbone: missing; write its layers"),
    "no classes": (without("nc"), "nc: None is no number of classes"),
    "no scales": (
        without("scales"),
        "scales: missing for the size n; write n: [depth, width, most channels]",
    ),
    "scales of other sizes": (with_("scales", {"s": [1, 1, 9]}), "scales: missing for the size n"),
    "a short scale": (
        with_("scales", {"n": [0.5, 0.25]}),
        "scales: n: [0.5, 0.25] is no list of three numbers",
    ),
    "an unknown layer": (
        row("backbone", 1, 2, "Konv"),
        "backbone[1]: Konv is no layer that Ultralytics' own",
    ),
    "a layer like no other": (
        row("backbone", 1, 2, "Mamba"),
        "backbone[1]: Mamba is no layer that Ultralytics' own models have; docs/own-data.md lists them",
    ),
    "a layer of a thousand letters": (
        row("backbone", 1, 2, 1000 * "X"),
        f"backbone[1]: {60 * 'X'} is no layer that Ultralytics' own models have; docs",
    ),
    "a misspelt layer": (row("backbone", 1, 2, "C3k3"), "did you mean 'C3k2'?"),
    "a function": (row("backbone", 1, 2, "yaml_model_load"), "yaml_model_load is no layer"),
    "a layer of torchvision": (row("backbone", 0, 2, "torchvision.ops.Conv2dNormActivation"), "is no layer"),
    "a layer that is none": (row("backbone", 1, 2, 7), "7 is no layer"),
    "another head": (row("head", -1, 2, "Classify"), "Classify is no head that is distilled"),
    "a head inside": (row("head", 0, 2, "Detect"), "head[0]: Detect is no layer"),
    "a nested yaml": (row("backbone", 1, 3, [{"nc": 1}]), "Conv is given a dict; write numbers up to 10000"),
    "code": (row("backbone", 1, 3, ["open('gotcha', 'w')"]), "Conv is given \"open('gotcha', 'w')\"; write"),
    "a word of another kind": (row("backbone", 1, 3, ["d"]), "Conv is given 'd'; write"),
    "lists in lists": (row("backbone", 1, 3, [[[64]]]), "Conv is given a list; write"),
    "too many channels": (row("backbone", 1, 3, [10**12, 3, 2]), "Conv is given 1000000000000; write"),
    "no arguments": (row("backbone", 1, 3, None), "None is no list of arguments"),
    "a later layer": (row("backbone", 1, 0, 5), "backbone[1]: from 5: no earlier layer; this is layer 1"),
    "before the first": (row("backbone", 1, 0, -2), "from -2: no earlier layer"),
    "a layer by name": (row("backbone", 1, 0, "P3"), "from 'P3': no earlier layer"),
    "one input of several": (row("head", 1, 0, -1), "Concat takes a list of layers, not -1"),
    "several inputs of one": (row("backbone", 1, 0, [0]), "Conv takes one layer, not [0]"),
    "no repeats": (row("backbone", 1, 1, 0), "repeats 0: write a number from 1 to 100"),
    "many repeats": (row("backbone", 1, 1, 10**9), "repeats 1000000000: write a number from 1 to 100"),
    "a short row": (
        lambda content: content["backbone"][1].pop(),
        "is no layer; write [from, repeats, layer, arg",
    ),
    "an activation that runs": (with_("activation", "exit()"), "activation: 'exit()' is run as code; write"),
    "an activation of two kinds": (with_("activation", ["nn.ReLU()"]), "is run as code; write a layer"),
    "too few arguments": (row("backbone", 1, 3, []), "Ultralytics cannot build it: IndexError"),
    "an unknown activation": (with_("activation", "nn.Sulu()"), "Ultralytics cannot build it: "),
}


@pytest.mark.parametrize("what", BAD)
def test_check_refuses(what: str, write_params: Callable[..., Path], tmp_path: Path) -> None:
    change, message = BAD[what]
    content = shipped()
    change(content)
    (tmp_path / "yolo26n-mine.yaml").write_text(yaml.safe_dump(content))
    params = write_params(students__yolo26n={"init": "scratch", "model": "yolo26n-mine.yaml"})
    with pytest.raises(KdpipeError) as error:
        preflight(params)
    assert str(error.value).startswith("params.yaml: students.yolo26n.model: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7", "is no model yaml of Ultralytics: it is no mapping"),
        ("backbone: [", "is no model yaml of Ultralytics"),
        ("", "is no model yaml of Ultralytics: it is no mapping"),
        ("!!python/object/apply:os.system [touch gotcha]", "is no model yaml of Ultralytics"),
        ("x: " + "1" * 200_000, "it is larger than 100000 bytes"),
        (BOMB, "its aliases (*name) stand for more than 20000 values; write out what is meant"),
        (yaml.safe_dump(shipped()) + BOMB, "its aliases (*name) stand for more than 20000 values"),
    ],
    ids=["a number", "broken", "empty", "an object", "large", "a bomb of aliases", "a bomb beside layers"],
)
def test_a_file_that_is_no_model_yaml(
    text: str, message: str, write_params: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "yolo26n-mine.yaml").write_text(text)
    with pytest.raises(KdpipeError, match=r"students\.yolo26n\.model") as error:
        preflight(write_params(students__yolo26n={"init": "scratch", "model": "yolo26n-mine.yaml"}))
    assert message in str(error.value)
    assert not Path("gotcha").exists()


def test_a_yaml_that_is_changed_a_little_is_accepted(
    write_params: Callable[..., Path], tmp_path: Path
) -> None:
    content = shipped()
    content["activation"] = "nn.LeakyReLU(0.1)"
    content["backbone"][2] = [-1, 2, "C3Ghost", [256, True]]
    (tmp_path / "yolo26n-mine.yaml").write_text(yaml.safe_dump(content))
    preflight(write_params(students__yolo26n={"init": "scratch", "model": "yolo26n-mine.yaml"}))
