"""Where labels, images and splits are found: at places that are theirs, below the folder that was given."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.data.importing import ImportResult, import_data
from kdpipe.errors import DataError
from tests.data.exports import coco_and_yolo, others, xml_tools
from tests.data.exports.truth import NAMES, STEMS, picture, written, yolo_lines

BOX = "0 0.5 0.5 0.5 0.5\n"


def imported(source: Path, out: Path, images: Path | None = None) -> ImportResult:
    return import_data(source, out, "detect", images=images, groups=None, seed=0)


def zipped(folder: Path) -> Path:
    to = folder.with_suffix(".zip")
    with zipfile.ZipFile(to, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return to


def labels(out: Path) -> list[str]:
    return sorted(path.read_text() for path in (out / "labels").rglob("*.txt"))


def yolo(folder: Path) -> Path:
    written(folder / "classes.txt", "\n".join(NAMES))
    for stem in STEMS:
        picture(folder / f"images/{stem}.jpg")
        written(folder / f"labels/{stem}.txt", yolo_lines(stem))
    return folder


def roboflow(folder: Path, *splits: str) -> Path:
    """As Roboflow exports YOLO, with all three splits in the data yaml, whether they are there or not."""
    places = "".join(f"{key}: ../{name}/images\n" for key, name in SPLIT_NAMES.items())
    written(folder / "data.yaml", f"{places}nc: 2\nnames: {NAMES}\n")
    for split in splits:
        for stem in STEMS:
            picture(folder / f"{split}/images/{split}-{stem}.jpg")
            written(folder / f"{split}/labels/{split}-{stem}.txt", yolo_lines(stem))
    return folder


SPLIT_NAMES = {"train": "train", "val": "valid", "test": "test"}


def test_background_images_do_not_get_the_labels_of_others(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    for stem in STEMS[:3]:
        picture(folder / f"images/empty/{stem}.jpg", width=80)
    done = imported(folder, tmp_path / "out")
    assert labels(tmp_path / "out") == sorted(["", "", "", *map(yolo_lines, STEMS)])
    assert done.warnings[0].startswith(
        "images without a label file, which count as images without objects: 3"
    )


def test_a_label_file_at_a_place_of_several_images(tmp_path: Path) -> None:
    """Of images at the top and in `images`, `labels` has those of the latter."""
    folder = yolo(tmp_path / "theirs")
    picture(folder / "photo0.jpg", width=80)
    imported(folder, tmp_path / "out")
    assert labels(tmp_path / "out") == sorted(["", *map(yolo_lines, STEMS)])


def test_label_files_of_a_name_alone(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    for number, stem in enumerate(STEMS):
        (folder / f"images/{number % 2}").mkdir(exist_ok=True)
        (folder / f"images/{stem}.jpg").rename(folder / f"images/{number % 2}/{stem}.jpg")
    imported(folder, tmp_path / "out")
    assert labels(tmp_path / "out") == sorted(map(yolo_lines, STEMS))
    picture(folder / "images/1/photo0.jpg", width=80)
    imported(folder, tmp_path / "again")
    assert labels(tmp_path / "again") == sorted(["", "", *map(yolo_lines, STEMS[1:])])


@pytest.mark.parametrize("archive", [True, False])
def test_splits_of_a_data_yaml_that_are_not_there(archive: bool, tmp_path: Path) -> None:
    folder = roboflow(tmp_path / "theirs", "train", "test")
    source = zipped(folder) if archive else folder
    done = imported(source, tmp_path / "out")
    assert done.images == {"train": 4, "val": 2, "test": 6}
    place = "valid/images" if archive else "../valid/images"
    assert f"data.yaml: val: {place}: no such folder or list, so there is no val split" in done.warnings
    folder = roboflow(tmp_path / "others", "train", "valid")
    if archive:
        done = imported(zipped(folder), tmp_path / "again")
        assert done.images == {"train": 6, "val": 6}
        said = "data.yaml: test: test/images: no such folder or list, so there is no test split"
        assert said in done.warnings
    shutil.rmtree(folder / "train")
    with pytest.raises(DataError, match=r"train/images: no such folder or list"):
        imported(zipped(folder), tmp_path / "none")


@pytest.mark.parametrize("place", ["folder", "list", "path", "lines"])
def test_a_zip_does_not_read_other_folders(place: str, tmp_path: Path) -> None:
    private = roboflow(tmp_path / "private", "train") / "train/images"
    folder = tmp_path / "theirs"
    outside = {"folder": f"train: {private}", "list": f"train: [{private}]", "lines": "train: train.txt"}
    path = f"path: {private.parent}\ntrain: images"
    written(folder / "data.yaml", f"{outside.get(place, path)}\nnames: {NAMES}\n")
    written(folder / "train.txt", "".join(f"{path}\n" for path in private.iterdir()))
    with pytest.raises(DataError, match=r"out of the archive.*; do not use this zip"):
        imported(zipped(folder), tmp_path / "out")


def test_a_zip_does_not_take_what_lies_beside_the_output(tmp_path: Path) -> None:
    roboflow(tmp_path, "train", "valid", "test")
    folder = roboflow(tmp_path / "theirs", "train", "valid")
    for image in (folder / "train/images").iterdir():
        picture(image, width=80)
    done = imported(zipped(folder), tmp_path / "out")
    assert done.images == {"train": 6, "val": 6}
    annotated = coco_and_yolo.coco_outlines(tmp_path / "coco").parent
    for image in sorted(annotated.rglob("*.jpg")):
        (tmp_path / "images").mkdir(exist_ok=True)
        image.rename(tmp_path / "images" / image.name)
    with pytest.raises(DataError, match=r"names 6 images out of the archive .*; do not use this zip"):
        imported(zipped(annotated), tmp_path / "again")


def test_lists_with_paths_of_any_kind(tmp_path: Path) -> None:
    """Absolute ones, and ones from the folder of the list; only what is missing loses leading folders."""
    folder, far = yolo(tmp_path / "theirs"), yolo(tmp_path / "far")
    lines = [str(far / "images/photo0.jpg"), "../images/photo1.jpg", "data/images/photo2.jpg"]
    written(folder / "lists/train.txt", "".join(f"{line}\n" for line in [*lines, "../images/a.gif"]))
    written(folder / "images/a.gif", "")
    written(folder / "data.yaml", f"train: lists/train.txt\nnames: {NAMES}\n")
    done = imported(folder, tmp_path / "out")
    assert labels(tmp_path / "out") == sorted(map(yolo_lines, STEMS[:3]))
    assert (
        "train: files that Ultralytics does not read are excluded: 1 .gif; save them as PNG" in done.warnings
    )
    with pytest.raises(
        DataError, match=r"data\.yaml says where the images are; correct it instead of giving"
    ):
        imported(folder, tmp_path / "again", folder / "images")


def test_a_test_folder_with_a_readme_has_no_annotations(tmp_path: Path) -> None:
    folder = xml_tools.roboflow_voc(tmp_path / "theirs")
    (folder / "test/photo5.xml").unlink()
    written(folder / "test/readme.txt", "Images of the challenge.")
    written(folder / "test/info.json", "{}")
    done = imported(folder, tmp_path / "out")
    assert done.images == {"train": 3, "val": 2}
    assert f"{folder}/test has no annotations, so there is no test split" in done.warnings


def test_images_called_like_lists_keep_their_labels(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    for number, stem in enumerate(STEMS):
        picture(folder / f"images/{stem}.jpg").rename(folder / f"images/test.{number}.jpg")
        written(folder / f"labelTxt/test.{number}.txt", others.dota_lines(stem))
    written(folder / "labelTxt/README.dataset.txt", "as it was downloaded")
    assert sum(imported(folder, tmp_path / "out").images.values()) == len(STEMS)


def test_images_in_folders_below_without_annotations_are_said(tmp_path: Path) -> None:
    folder = others.labelme(tmp_path / "theirs")
    picture(folder / "sub/more.jpg")
    picture(folder / "SegmentationClass/photo0.png")
    said = f"images without annotations are left out: 1 ({folder}/sub/more.jpg)"
    assert said in imported(folder, tmp_path / "out").warnings


def test_annotations_of_another_format_below_are_said(tmp_path: Path) -> None:
    folder = others.labelme(tmp_path / "theirs")
    written(folder / "sub/photo0.xml", xml_tools.voc_text("photo0"))
    said = f"files of annotations that are not read: 1 ({folder}/sub/photo0.xml)"
    assert said in imported(folder, tmp_path / "out").warnings


@pytest.mark.parametrize("write", [others.labelme, xml_tools.voc])
def test_annotations_in_folders_below_are_read(write: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs")
    (source,) = {path.parent for path in folder.rglob("*") if path.suffix in (".json", ".xml")}
    beside = source if source == folder else folder / "JPEGImages"
    for path in [*source.glob("*.json"), *source.glob("*.xml"), *beside.glob("*.jpg")]:
        (path.parent / "sub").mkdir(exist_ok=True)
        shutil.copy(path, path.parent / "sub" / path.name)
    assert sum(imported(folder, tmp_path / "out").images.values()) == 2 * len(STEMS)
    for path in [*source.glob("*.json"), *source.glob("*.xml"), *beside.glob("*.jpg")]:
        path.unlink()
    assert sum(imported(folder, tmp_path / "again").images.values()) == len(STEMS)


def test_splits_of_folders_of_annotations_are_kept(tmp_path: Path) -> None:
    folder = xml_tools.voc(tmp_path / "theirs")
    for number, file in enumerate(sorted((folder / "Annotations").glob("*.xml"))):
        split = file.parent / ("train", "val")[number % 2]
        split.mkdir(exist_ok=True)
        file.rename(split / file.name)
    assert imported(folder, tmp_path / "out").images == {"train": 3, "val": 3}
