"""Data and files of the user under an output of the pipeline, which DVC deletes, are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.repo import Repo
from omegaconf import OmegaConf

from kdpipe.checks.places import place_problems
from kdpipe.params.load import load
from pipelines import prepare
from tests.bad_inputs import _data
from tests.project import REPOSITORY

Write = Callable[..., Path]


def yaml_of(folder: Path, **content: object) -> None:
    content = {"train": "images/train", "val": "images/val", "names": ["cat", "dog"], **content}
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(content), folder / "data.yaml")


def moved(folder: Path, to: str) -> Path:
    target = folder / to
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder / "theirs", target)
    return target


def inside(folder: Path) -> str:
    moved(folder, "data/dataset")
    return "data/dataset"


def its_yaml(folder: Path) -> str:
    moved(folder, "data/dataset")
    return "data/dataset/data.yaml"


def deeper(folder: Path) -> str:
    moved(folder, "data/dataset/mine")
    return "data/dataset/mine"


def absolute(folder: Path) -> str:
    return str(moved(folder, "models/teachers/yolo26s"))


def by_a_link(folder: Path) -> str:
    moved(folder, "data/dataset")
    (folder / "mine").symlink_to("data/dataset")
    return "mine"


def with_a_path(folder: Path) -> str:
    moved(folder, "runs/baseline/mine")
    yaml_of(folder / "mine", path=str(folder / "runs/baseline/mine"))
    return "mine"


def with_a_relative_path(folder: Path) -> str:
    moved(folder, "data/dataset")
    yaml_of(folder, path="data/dataset")
    return "data.yaml"


def with_a_split(folder: Path) -> str:
    moved(folder, "data/dataset")
    yaml_of(folder / "data", train="dataset/images/train", val="dataset/images/val")
    return "data"


def with_a_test_split(folder: Path) -> str:
    (folder / "data/dataset/images/test").mkdir(parents=True)
    yaml_of(folder / "theirs", test="../data/dataset/images/test")
    return "theirs"


def with_a_val_of_another_word(folder: Path) -> str:
    shutil.copytree(folder / "theirs", folder / "data/dataset")
    yaml_of(folder / "theirs", validation="../data/dataset/images/val")
    text = (folder / "theirs/data.yaml").read_text()
    (folder / "theirs/data.yaml").write_text(text.replace("val: images/val\n", ""))
    return "theirs"


def with_a_list(folder: Path) -> str:
    moved(folder, "data/dataset")
    images = sorted((folder / "data/dataset/images/train").iterdir())
    (folder / "train.txt").write_text("".join(f"{path}\n" for path in images))
    yaml_of(folder, train="train.txt", val="train.txt")
    return "data.yaml"


def with_linked_images(folder: Path) -> str:
    moved(folder, "data/dataset")
    for split in ("train", "val"):
        (folder / "mine/images" / split).mkdir(parents=True)
        for path in (folder / "data/dataset/images" / split).iterdir():
            (folder / "mine/images" / split / path.name).symlink_to(path)
    yaml_of(folder / "mine")
    return "mine"


def with_a_linked_subfolder(folder: Path) -> str:
    moved(folder, "data/dataset")
    for split in ("train", "val"):
        (folder / "mine/images" / split).mkdir(parents=True)
        (folder / "mine/images" / split / "more").symlink_to(folder / "data/dataset/images" / split)
    yaml_of(folder / "mine")
    return "mine"


def with_linked_labels(folder: Path) -> str:
    (folder / "data/dataset").mkdir(parents=True)
    shutil.move(folder / "theirs/labels", folder / "data/dataset/labels")
    (folder / "theirs/labels").symlink_to(folder / "data/dataset/labels")
    return "theirs"


def around(folder: Path) -> str:
    yaml_of(folder, train=".", val="theirs/images/val")
    return "data.yaml"


def an_output_that_is_a_link(folder: Path) -> str:
    (folder / "data").mkdir()
    (folder / "data/dataset").symlink_to(folder / "theirs")
    return "theirs"


BAD = [
    *(inside, its_yaml, deeper, absolute, by_a_link, with_a_path, with_a_relative_path, with_a_split),
    *(with_a_test_split, with_a_val_of_another_word, with_a_list, with_linked_images),
    *(with_a_linked_subfolder, with_linked_labels, around, an_output_that_is_a_link),
]


@pytest.mark.parametrize("arrange", BAD, ids=lambda function: function.__name__)
def test_data_that_would_be_deleted(arrange: Callable[[Path], str], write_params: Write) -> None:
    folder = write_params().parent
    _data()(folder)
    source = arrange(folder)
    write_params(data={"source": source, "task": "detect"})
    (problem,) = place_problems(load())
    assert problem.key == "data.source"
    assert "which DVC deletes before the pipeline writes it; move it elsewhere" in str(problem)


def test_dvc_leaves_it_until_the_stage_has_refused(
    write_params: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks kdpipe before plain `dvc repro` removes the outputs of a stage."""
    folder = write_params().parent
    _data()(folder)
    write_params(data={"source": inside(folder), "task": "detect"})
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    with Repo.init(no_scm=True) as repo, repo.lock:
        repo.stage.load_one(name="prepare").remove_outs()
    images = sorted((folder / "data/dataset/images").rglob("*.png"))
    monkeypatch.setenv("DVC_STAGE", "prepare")
    with pytest.raises(SystemExit):
        prepare.main()
    assert sorted((folder / "data/dataset/images").rglob("*.png")) == images
    assert len(images) == 5


def beside(folder: Path) -> str:
    (folder / "data/dataset/images").mkdir(parents=True)
    moved(folder, "data/mine")
    return "data/mine"


def in_the_folder_around(folder: Path) -> str:
    (folder / "data/dataset/images").mkdir(parents=True)
    for path in (folder / "theirs").iterdir():
        path.rename(folder / "data" / path.name)
    return "data"


def of_a_similar_name(folder: Path) -> str:
    moved(folder, "data/dataset-2")
    return "data/dataset-2"


def in_models(folder: Path) -> str:
    moved(folder, "models/mine")
    return "models/mine"


def with_other_links(folder: Path) -> str:
    (folder / "theirs").rename(folder / "elsewhere")
    (folder / "theirs").symlink_to("elsewhere")
    return "theirs"


def with_names_like_interpolations(folder: Path) -> str:
    text = "{train: images/train, val: images/val, names: ['${', 'a${b}']}"
    (folder / "theirs/data.yaml").write_text(text)
    return "theirs"


GOOD = [
    beside,
    in_the_folder_around,
    of_a_similar_name,
    in_models,
    with_other_links,
    with_names_like_interpolations,
]


@pytest.mark.parametrize("arrange", GOOD, ids=lambda function: function.__name__)
def test_data_that_is_safe(arrange: Callable[[Path], str], write_params: Write) -> None:
    folder = write_params().parent
    _data()(folder)
    source = arrange(folder)
    write_params(data={"source": source, "task": "detect"})
    assert list(place_problems(load())) == []


def test_files_that_params_yaml_names(write_params: Write) -> None:
    teacher, model = (
        Path("models/teachers/yolo26s/mine.pt"),
        Path("runs/baseline/yolo26n/0/train/yolo26n-mine.yaml"),
    )
    for path in (teacher, model):
        path.parent.mkdir(parents=True)
        path.write_text("")
    write_params(
        teachers={"yolo26s": {"init": str(teacher)}},
        tracking={"uri": "sqlite:///data/dataset/mlflow.db"},
        students={"yolo26n": {"init": "scratch", "model": str(model)}},
    )
    assert [problem.key for problem in place_problems(load())] == [
        *("tracking.uri", "teachers.yolo26s.init", "students.yolo26n.model")
    ]
    other = Path("models/teachers/other/mine.pt")  # of no training in params.yaml: nothing deletes it
    other.parent.mkdir()
    other.write_text("")
    write_params(teachers={"yolo26s": {"init": str(other)}})
    assert list(place_problems(load())) == []


def test_the_embedded_and_the_shipped_data_are_never_there(write_params: Write) -> None:
    for source in ("digits", "coco8.yaml"):
        write_params(data__source=source)
        assert list(place_problems(load())) == []
