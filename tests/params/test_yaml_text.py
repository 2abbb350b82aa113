"""Values that YAML 1.1 and 1.2 read differently, held against what OmegaConf and DVC make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml
from omegaconf import OmegaConf

from kdpipe.errors import KdpipeError
from kdpipe.params import yaml_text
from kdpipe.params.load import load
from kdpipe.yolo.hermetic import configure
from tests.project import REPOSITORY

Write = Callable[..., Path]
SAME = (
    "1 10 -3 1.5 1e3 1e-3 .5 true False null ~ 0x1F 1_000 .inf cat a-b y N 'no' '010' \"1:30\" '2024-01-01'"
)
DIFFERENT = (
    "010 0o10 08 1:30 1:30.5 2024-01-01 2024-01-01T00:00:00Z no NO on yes off Yes -.5 2024-01-01 10:00:00"
)


def scalar(text: str, tmp_path: Path) -> yaml_text.Scalar:
    path = tmp_path / "a.yaml"
    path.write_text(f"v: {text}\n")
    node = yaml_text.compose(path)
    assert node is not None
    return list(yaml_text.scalars(node))[-1]


@pytest.mark.parametrize("text", SAME.split())
def test_what_both_read_alike(text: str, tmp_path: Path) -> None:
    assert yaml_text.differing(scalar(text, tmp_path)) is None
    ours = OmegaConf.to_container(OmegaConf.load(tmp_path / "a.yaml"))
    assert repr(ours) == repr(load_yaml(tmp_path / "a.yaml"))


@pytest.mark.parametrize("text", [*DIFFERENT.split()[:-2], "2024-01-01 10:00:00"])
def test_what_they_do_not_is_said_with_what_to_write(text: str, tmp_path: Path) -> None:
    problem = yaml_text.differing(scalar(text, tmp_path))
    assert problem is not None
    ours = OmegaConf.to_container(OmegaConf.load(tmp_path / "a.yaml"))
    assert repr(ours) != repr(load_yaml(tmp_path / "a.yaml"))
    for option in problem.rpartition("; write ")[2].split(" or "):
        assert yaml_text.differing(scalar(option.removesuffix(" in quotes"), tmp_path)) is None


def test_shipped_files_are_read_alike() -> None:
    for path in [REPOSITORY / "params.yaml", *(REPOSITORY / "pipelines/presets").glob("*.yaml")]:
        node = yaml_text.compose(path)
        assert node is not None
        assert [problem for one in yaml_text.scalars(node) if (problem := yaml_text.differing(one))] == []


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases (*name) stand for more than 20000 values; write out what is meant"),
        ("data: &a {b: *a}", "an alias (*name) stands for a value that contains it"),
        ("data: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_grows_without_end(write_params: Write, text: str, message: str) -> None:
    path = write_params()
    path.write_text(path.read_text() + text)
    with pytest.raises(KdpipeError) as error:
        load(path)
    assert message in str(error.value)


def test_all_that_differs_is_said_at_once(write_params: Write) -> None:
    path = write_params()
    text = path.read_text().replace("n-s:", "2024-01-01:").replace("seeds:\n  - 0\n", "seeds: [010, 1:30]\n")
    path.write_text(text)
    with pytest.raises(KdpipeError) as error:
        load(path)
    said = str(error.value)
    assert "3 problems in params.yaml" in said
    assert (
        "pairs.2024-01-01: YAML takes 2024-01-01 for a number, a date or a truth value; write a name" in said
    )
    assert "sweep.seeds[0]: 010 is the number 8 in YAML 1.1, which kdpipe reads, and the number 10" in said
    assert "sweep.seeds[1]: 1:30 is the number 90 in YAML 1.1" in said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("seeds:\n  - 0\n", "seeds: [010]\n", "sweep.seeds[0]: 010 is the number 8 in YAML 1.1, which"),
        ("seeds:\n  - 0\n", "seeds: [1:30]\n", "sweep.seeds[0]: 1:30 is the number 90 in YAML 1.1"),
        ("dis:\n  - 1.0\n", "dis: [010]\n", "sweep.dis[0]: 010 is the number 8 in YAML 1.1, which"),
        ("  n-s:\n", "  2024-01-01:\n", "pairs.2024-01-01: YAML takes 2024-01-01 for a number, a date or a"),
        ("  n-s:\n", "  no:\n", "pairs.no: YAML takes no for a number, a date or a truth value; write a"),
        ("  n-s:\n", "  on:\n", "pairs.on: YAML takes on for a number, a date or a truth value; write a"),
        ("  n-s:\n", "  010:\n", "pairs.010: YAML takes 010 for a number, a date or a truth value; write a"),
        ("  n-s:\n", "  'no':\n", "pairs.no: YAML takes no for a number"),  # DVC removes the quotes
        ("  yolo26n:\n", "  1e3:\n", "students.1e3: YAML takes 1e3 for a number"),
        ("batch: 16\nevaluate", "batch: 0o20\nevaluate", "validate.batch: 0o20 is the text '0o20' in"),
    ],
)
def test_each_that_differs_is_said(write_params: Write, before: str, after: str, said: str) -> None:
    path = write_params()
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(KdpipeError) as error:
        load(path)
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["1e3", "no", "010", "${", "${a}", "猫", "a: b", "2024-01-01", "", "1.10"])
def test_what_is_written_is_read_back(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml_text.dump({"names": [text], "sigmas": [1e-7, 0.5]}), encoding="utf-8")
    assert yaml_text.load(path, 100) == {"names": [text], "sigmas": [1e-7, 0.5]}
    configure()
    from ultralytics.utils import YAML

    assert YAML.load(str(path))["names"] == [text]


def test_a_key_twice(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("names: [a]\nnames: [b]\n")
    with pytest.raises(yaml_text.YamlError, match="the key names is written twice"):
        yaml_text.load(tmp_path / "a.yaml", 100)
