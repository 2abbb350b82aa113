from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from benchmarks.step import save_teacher
from kdpipe.cells.cell import DATASET_DIR, all_cells
from kdpipe.checks.preflight import preflight
from kdpipe.commands.presets import about, presets, use
from kdpipe.data.prepare import prepare
from kdpipe.errors import KdpipeError, ParamsError
from kdpipe.params.load import load
from tests.data.small import small_set
from tests.project import REPOSITORY
from tests.walk import measured

ON_SHARED_DATA = {
    "coco8": "coco8/coco8.yaml",
    "coco8-seg": "coco8-seg/coco8-seg.yaml",
    "coco8-pose": "coco8-pose/coco8-pose.yaml",
    "dota8": "dota8/dota8.yaml",
    "coco128": "coco128/coco128.yaml",
}


@pytest.mark.parametrize("name", presets())
def test_every_preset_passes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / OmegaConf.load(presets()[name]).data.source
    if "weights/yolo26n.pt" in presets()[name].read_text():
        (tmp_path / "weights").mkdir()
        save_teacher("yolo26n", tmp_path / "weights/yolo26n.pt")
    if source.parent.name == "data":  # is not downloaded
        with pytest.raises(ParamsError, match=r"data\.source.*does not exist"):
            preflight(presets()[name])
        small_set(source)
    preflight(presets()[name])
    assert 10 < len(about(presets()[name])) < 120


def test_the_shipped_params_are_a_preset() -> None:
    assert load(REPOSITORY / "params.yaml") == load(presets()["digits"])


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    return tmp_path / "params.yaml"


def test_a_preset_takes_the_place_of_another(repository: Path) -> None:
    for name in ("coco8", "digits-obb"):
        use(name)
        assert repository.read_bytes() == presets()[name].read_bytes()


def test_a_preset_never_takes_the_place_of_edits(repository: Path) -> None:
    use("coco8")
    edited = repository.read_text().replace("epochs: 10", "epochs: 11")
    repository.write_text(edited)
    with pytest.raises(KdpipeError, match="git commit"):
        use("digits")
    assert repository.read_text() == edited


def test_committed_edits_are_no_loss(repository: Path) -> None:
    repository.write_text("mine: true\n")
    subprocess.run(["git", "add", "params.yaml"], check=True)
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", *me, "commit", "--quiet", "--message", "mine"], check=True)
    use("digits")
    assert repository.read_bytes() == presets()["digits"].read_bytes()


def test_an_unknown_preset_gets_the_nearest_name(repository: Path) -> None:
    with pytest.raises(KdpipeError, match="did you mean 'digits-pose'"):
        use("digits-poze")
    assert not repository.exists()


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.nightly
@pytest.mark.parametrize("name", ON_SHARED_DATA)
def test_a_preset_runs_on_real_data(
    name: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A baseline, from scratch and for an epoch, as there is nothing to download from."""
    monkeypatch.chdir(tmp_path)
    params = OmegaConf.load(presets()[name])
    params.data.source = str(shared_data / ON_SHARED_DATA[name])
    for model in (*params.students.values(), *params.teachers.values()):
        model.init = "scratch"
    params.sweep.update({"dis": [1.0], "seeds": [0]})
    params.train.update({"epochs": 1, "imgsz": 96, "device": "cpu"})
    params.evaluate = {"resamples": 100}
    OmegaConf.save(params, tmp_path / "params.yaml")
    checked = preflight(tmp_path / "params.yaml").params
    prepare(checked.data, DATASET_DIR)
    baseline = next(cell for cell in all_cells(checked) if cell.kind == "baseline")
    for heads in measured(checked, baseline).values():
        assert heads.keys() == {"e2e", "nms"}
        assert all(0 <= metrics["coco/AP"] <= 1 for metrics in heads.values())
