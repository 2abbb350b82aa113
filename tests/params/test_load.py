from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from omegaconf import OmegaConf

from kdpipe.params import raw
from kdpipe.params.load import load
from tests.project import REPOSITORY

Write = Callable[..., Path]


def test_the_shipped_params_load() -> None:
    params = load(REPOSITORY / "params.yaml")
    assert params.data.source == "digits"
    assert len(params.sweep.seeds) >= 4


def test_every_key_of_the_shipped_params_is_commented() -> None:
    above = ""
    for line in (REPOSITORY / "params.yaml").read_text().splitlines():
        if line.strip() and not line.strip().startswith("#"):
            assert "#" in line or above.strip().startswith("#"), f"no comment on or above {line!r}"
        above = line


def test_dis_keeps_the_text_that_dvc_names_cells_by(write_params: Write) -> None:
    params = load(write_params(sweep__dis=[6, 6.5, 1e-3]))
    assert [str(dis) for dis in params.sweep.dis] == ["6", "6.5", "0.001"]


def test_what_dvc_reads_must_be_there() -> None:
    """DVC stops at a parameter that is not in the file, whatever its default is here."""
    stages = OmegaConf.to_container(OmegaConf.load(REPOSITORY / "dvc.yaml"))["stages"].values()
    named = {
        key for stage in stages for key in stage.get("params", []) if isinstance(key, str) and "$" not in key
    }
    axes = {axis[2:-1] for stage in stages for axis in stage.get("matrix", {}).values()}
    required = {"data", "students", "teachers", "pairs", "sweep", "train", "data.source"}
    required |= {"sweep.dis", "sweep.seeds"}
    assert (named | axes) - required - {"validate"} == raw.NAMED_BY_DVC.keys()
