from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe import config
from kdpipe.errors import ParamsError
from tests.conftest import REPOSITORY

Write = Callable[..., Path]


def test_the_shipped_params_load() -> None:
    params = config.load(REPOSITORY / "params.yaml")
    assert params.data.source == "digits"
    assert len(params.sweep.dis) >= 2
    assert len(params.sweep.seeds) >= 2


def test_every_key_of_the_shipped_params_is_commented() -> None:
    above = ""
    for line in (REPOSITORY / "params.yaml").read_text().splitlines():
        if line.strip() and not line.strip().startswith("#"):
            assert "#" in line or above.strip().startswith("#"), f"no comment on or above {line!r}"
        above = line


def test_dis_keeps_the_text_that_dvc_names_cells_by(write_params: Write) -> None:
    params = config.load(write_params(sweep__dis=[6, 6.5, 1e-3]))
    assert [str(dis) for dis in params.sweep.dis] == ["6", "6.5", "0.001"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sweep__sedes": [1]}, "params.yaml: sweep.sedes: unknown key; did you mean 'seeds'?"),
        ({"trian": {}}, "params.yaml: trian: unknown key; did you mean 'train'?"),
        ({"sweep__dis": []}, "params.yaml: sweep.dis: empty; write at least one value, such as [1]"),
        ({"sweep__seeds": []}, "params.yaml: sweep.seeds: empty"),
        ({"sweep__dis": ["a"]}, "params.yaml: sweep.dis: 'a' is no weight of a loss"),
        ({"sweep__dis": [-1.0]}, "params.yaml: sweep.dis: -1.0 is no weight of a loss"),
        ({"sweep__dis": [0]}, "params.yaml: sweep.dis: 0 is no weight of a loss"),
        ({"sweep__dis": [True]}, "params.yaml: sweep.dis: True is no weight of a loss"),
        ({"sweep__dis": 2.0}, "params.yaml: sweep.dis: wrong type"),
        ({"sweep__dis": [1, 1.0]}, "names a value twice"),
        ({"sweep__seeds": [0.5]}, "params.yaml: sweep.seeds[0]: wrong type"),
        ({"sweep__seeds": [-1]}, "params.yaml: sweep.seeds: -1 is below 0"),
        ({"students": {}}, "params.yaml: students: empty; name at least one"),
        ({"students": ["yolo26n"]}, "params.yaml: students: must map names to mappings"),
        ({"students": {"yolo26n": {}}}, "params.yaml: students.yolo26n.init: missing; write a value"),
        ({"pairs": {"n/s": {"student": "a", "teacher": "b"}}}, "DVC and folders are named after it"),
        ({"train__epochs": "${data.digits.train}"}, "params.yaml: train.epochs: "),
        ({"validate__splits": ["vall"]}, "params.yaml: validate.splits: 'vall': did you mean 'val'?"),
        ({"evaluate__resamples": 3}, "params.yaml: evaluate.resamples: 3 say nothing; write at least 100"),
        ({"teachers": {"s.v2": {"init": "scratch"}}}, "params.yaml: teachers.s.v2: use letters"),
        ({"validate__batch": 0}, "params.yaml: validate.batch: 0 is below 1"),
        ({"validate__batch": "many"}, "params.yaml: validate.batch: wrong type"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_remedy(
    write_params: Write, changes: dict[str, object], message: str
) -> None:
    if any("${" in str(value) for value in changes.values()):
        path = write_params()
        path.write_text(path.read_text().replace("epochs: 2", "epochs: ${data.digits.train}"))
    else:
        path = write_params(**changes)
    with pytest.raises(ParamsError) as error:
        config.load(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_broken_yaml_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="not found"):
        config.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("data: [")
    with pytest.raises(ParamsError, match="not readable as YAML"):
        config.load(tmp_path / "params.yaml")
