"""A project of one's own: what is written where, and what is left alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from kdpipe.checks.preflight import preflight
from kdpipe.commands.init import Question, init
from kdpipe.commands.presets import presets
from kdpipe.errors import KdpipeError
from kdpipe.params.load import load
from kdpipe.paths import template_dir
from tests.data import small
from tests.data.small import small_set
from tests.data.test_given_splits import voc

FILES = {"dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", ".dvc/config", "pipelines/recipe.yaml"}


@pytest.fixture(autouse=True)
def _stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(folder: Path, question: Question | None = None) -> str:
    """Make a project; return what was printed."""
    console = Console(width=500)
    with console.capture() as said:
        init(folder, question or Question(), Path.cwd(), console)
    return said.get()


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".git", "tmp", ".kdpipe"} & set(path.relative_to(folder).parts)
    }


def test_an_empty_folder_becomes_a_project(tmp_path: Path) -> None:
    said = made(tmp_path / "my study")
    assert "then `kdpipe check`, and `dvc repro`" in said
    found = files(tmp_path / "my study")
    assert found.keys() >= FILES | {"pipelines/train.py", ".dvc/plots/gains.json"}
    assert not [name for name in found if name.startswith("pipelines/presets")]
    assert found["params.yaml"] == presets()["digits"].read_bytes()
    assert found["dvc.yaml"] == (template_dir() / "dvc.yaml").read_bytes()
    assert preflight().params == load(presets()["digits"])
    ignored = subprocess.run(
        ["git", "check-ignore", "runs/x", "mlflow.db"], capture_output=True, text=True, check=True
    )
    assert ignored.stdout.split() == ["runs/x", "mlflow.db"]


def test_a_folder_in_a_repository_leaves_the_rest_alone(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    subprocess.run(["dvc", "init", "--quiet"], check=True)
    before = files(tmp_path)
    made(tmp_path / "studies/one")
    assert {
        name: content for name, content in files(tmp_path).items() if not name.startswith("studies/")
    } == before
    assert (tmp_path / "studies/one/.dvc/config").exists()
    assert not (tmp_path / "studies/one/.git").exists()
    stages = subprocess.run(
        ["dvc", "stage", "list", "--name-only"], capture_output=True, text=True, check=True
    )
    assert "prepare" in stages.stdout.split()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    for name in ("params.yaml", "pipelines/train.py"):
        (tmp_path / name).write_text("mine\n")
    before = files(tmp_path)
    with pytest.raises(KdpipeError, match=r"of its own with the names pipelines/train.py, params.yaml"):
        made(tmp_path)
    assert files(tmp_path) == before


def test_a_repository_with_dvc_keeps_its_settings(tmp_path: Path) -> None:
    for command in ("git init --quiet", "dvc init --quiet", "dvc remote add --default shelf ../shelf"):
        subprocess.run(command.split(), check=True)
    before = files(tmp_path)
    made(tmp_path)
    after = files(tmp_path)
    assert after[".dvc/config"] == before[".dvc/config"]
    assert after[".dvcignore"].startswith(before[".dvcignore"].rstrip())


def test_twice_is_as_good_as_once_and_gitignore_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n/runs/")
    made(tmp_path)
    before = files(tmp_path)
    lines = before[".gitignore"].decode().splitlines()
    assert lines[:2] == ["mine", "/runs/"]
    assert lines.count("/runs/") == 1
    assert "/mlflow.db*" in lines
    assert "*.cache" in before[".dvcignore"].decode().splitlines()
    made(tmp_path)
    assert files(tmp_path) == before


@pytest.mark.usefixtures("no_network")
def test_own_data_gets_a_comparison_that_fits(tmp_path: Path) -> None:
    small_set(tmp_path / "photos")
    said = made(tmp_path / "study", Question(data=tmp_path / "photos", budget=3600))
    params = preflight().params
    assert params.data.source == "../photos/data.yaml"
    assert params.train["imgsz"] == 64  # the longest side of the images
    assert params.train["epochs"] == 50
    assert len(params.sweep.seeds) == 5
    assert params.students["yolo26n"].starts_from == "yolo26s"
    assert "by a timed step it takes" in said
    text = Path("params.yaml").read_text()
    assert "# - Images: train" in text
    assert "No weights to start from" in text
    little = made(tmp_path / "other", Question(data=tmp_path / "photos", budget=1e-3))
    assert "Even the smallest comparison takes" in little
    assert load().sweep.seeds == [0, 1, 2]
    assert load().tracking.experiment == "other"


def test_weights_that_are_there_are_the_start(tmp_path: Path) -> None:
    small_set(tmp_path / "photos")
    made(tmp_path / "study", Question(data=tmp_path / "photos", preset="coco8"))
    assert OmegaConf.load("params.yaml").data.source == "../photos/data.yaml"
    assert load().students == load(presets()["coco8"]).students


def test_annotations_of_another_tool_are_imported(tmp_path: Path) -> None:
    voc(tmp_path / "photos")
    made(tmp_path / "study", Question(data=tmp_path / "photos"))
    assert load().data.source == "data/imported/data.yaml"
    assert sorted(path.name for path in Path("data/imported/images").iterdir()) == ["test", "train", "val"]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Question(preset="digit"), "no preset 'digit'; did you mean 'digits'"),
        (Question(task="detection"), "--task 'detection': did you mean 'detect'"),
        (Question(data=Path("/not/there")), "--data /not/there does not exist"),
        (Question(data=Path("empty")), "empty: found no"),
        (Question(data=Path("no images")), "no images/data.yaml: train: images/train: no such folder"),
    ],
)
def test_mistakes_leave_nothing_behind(question: Question, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no images").mkdir()
    (tmp_path / "no images/data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat]\n")
    with pytest.raises(KdpipeError, match=said):
        made(tmp_path / "study", question)
    assert not (tmp_path / "study").exists()


@pytest.mark.usefixtures("no_network")
def test_a_path_that_yaml_would_break_and_a_broken_image(tmp_path: Path) -> None:
    photos = (
        tmp_path
        / "My pictures: of blood cells # from the microscope/second batch of the year 2025/all of them"
    )
    small_set(photos)
    (photos / "images/train/0.png").write_bytes(b"")
    made(tmp_path / "yes", Question(data=photos))
    assert load().data.source == str(photos / "data.yaml").replace(str(tmp_path), "..")
    assert load().tracking.experiment == "yes"


def test_a_failed_init_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voc(tmp_path / "photos")
    (tmp_path / "study").mkdir()
    with monkeypatch.context() as patch, pytest.raises(KdpipeError, match="git cannot be run"):
        patch.setenv("PATH", "")
        made(tmp_path / "study", Question(data=tmp_path / "photos"))
    assert files(tmp_path / "study") == {}
    made(tmp_path / "study", Question(data=tmp_path / "photos"))


def test_a_preset_says_the_task(tmp_path: Path) -> None:
    small_set(tmp_path / "photos")
    made(tmp_path / "study", Question(data=tmp_path / "photos", preset="coco8-seg"))
    assert load().data.task == "segment"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KdpipeError, match="file cannot be made: File exists; choose another folder"):
        made(tmp_path / "file")


@pytest.mark.usefixtures("no_network")
def test_keypoints_make_it_pose(tmp_path: Path) -> None:
    def with_keypoints(folder: Path) -> None:
        for file in folder.rglob("labels/*/*.txt"):
            file.write_text("0 0.5 0.5 0.4 0.4 0.5 0.5 2\n")

    small_set(tmp_path / "photos", with_keypoints, names={0: "cat"}, kpt_shape=[1, 3])
    made(tmp_path / "study", Question(data=tmp_path / "photos"))
    assert load().data.task == "pose"
    assert list(load().students) == ["yolo26n-pose"]
    preflight()


def test_a_picture_that_is_too_large_is_left_to_the_check(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "photos")
    (folder / "images/train/0.png").write_bytes(small.huge())
    made(tmp_path / "study", Question(data=folder, budget=3600))
    assert load().train["imgsz"] == 64


def test_data_without_training_images_is_refused(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "photos")
    for path in (folder / "images/train").iterdir():
        path.unlink()
    with pytest.raises(KdpipeError, match=r"no images for train"):
        made(tmp_path / "study", Question(data=folder, budget=3600))


def test_what_is_proposed_for_tiny_pictures_is_accepted(tmp_path: Path) -> None:
    """A last batch of one image of 32 pixels is a single value in the deepest layer."""
    folder = tmp_path / "photos"
    for split, count in (("train", 33), ("val", 4)):
        for index in range(count):
            (folder / f"labels/{split}").mkdir(parents=True, exist_ok=True)
            (folder / f"images/{split}").mkdir(parents=True, exist_ok=True)
            small.picture(100 * count + index, 28, 28).save(folder / f"images/{split}/{index}.png")
            (folder / f"labels/{split}/{index}.txt").write_text(small.LABEL)
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    made(tmp_path / "study", Question(data=folder, budget=1.0))
    assert preflight().params.train["imgsz"] == 64
