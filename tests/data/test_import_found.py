"""Which files belong to which image: through links, under similar names, beside the folder."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from kdpipe.data import data_yaml
from kdpipe.data.importing import ImportResult, import_data, registry
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.params.schema import Data
from tests.data.exports import xml_tools
from tests.data.exports.truth import HEIGHT, NAMES, STEMS, WIDTH, picture, written, yolo_lines
from tests.data.small import LABEL, small_set

BOX = "0 0.5 0.5 0.5 0.5\n"


def imported(source: Path, out: Path, task: str = "detect", groups: str | None = None) -> ImportResult:
    return import_data(source, out, task, images=None, groups=groups, seed=0)


def voc(folder: Path, *stems: str) -> None:
    for stem in stems:
        picture(folder / f"{stem}.jpg")
        written(folder / f"{stem}.xml", xml_tools.voc_text(STEMS[0], f"{stem}.jpg"))


def coco(folder: Path, outline: list[float] | None = None, **boxes: list[float]) -> None:
    """A file with an object in each image; of the first one with this outline."""
    images = [
        {"id": n, "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT}
        for n, name in enumerate(boxes)
    ]
    found: list[dict[str, object]] = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": box} for n, box in enumerate(boxes.values())
    ]
    for n, one in enumerate(found if outline else []):
        one["segmentation"] = [outline if n == 0 else [4, 4, 20, 4, 20, 20]]
    content = {"images": images, "annotations": found, "categories": [{"id": 1, "name": "cat"}]}
    written(folder / "a.json", json.dumps(content))


def test_annotations_in_linked_folders(tmp_path: Path) -> None:
    """They were left out without a word, and images in such folders were found."""
    voc(tmp_path / "elsewhere/cam1", *(f"one{number}" for number in range(5)))
    voc(tmp_path / "theirs/cam2", *(f"two{number}" for number in range(5)))
    (tmp_path / "theirs/cam1").symlink_to(tmp_path / "elsewhere/cam1")
    done = imported(tmp_path / "theirs", tmp_path / "out")
    assert sum(done.images.values()) == 10


def test_a_test_split_of_linked_folders(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for number in range(5):
            picture(tmp_path / f"theirs/{split}/JPEGImages/{split}{number}.jpg")
            text = xml_tools.voc_text(STEMS[0], f"{split}{number}.jpg")
            written(tmp_path / f"theirs/{split}/Annotations/{split}{number}.xml", text)
    for folder in [*(tmp_path / "theirs/test").iterdir()]:
        moved = folder.rename(tmp_path / folder.name)
        folder.symlink_to(moved)
    assert imported(tmp_path / "theirs", tmp_path / "out").images == {"train": 5, "val": 5, "test": 5}


def test_dates_are_no_prefixes_of_an_upload(tmp_path: Path) -> None:
    """An image without objects got the boxes of another day's."""
    folder = tmp_path / "theirs"
    written(folder / "classes.txt", "cat")
    for number in range(6):
        picture(folder / f"images/20240501-{number:04}.jpg")
        written(folder / f"labels/20240501-{number:04}.txt", BOX)
    picture(folder / "images/20240501-0009.jpg")
    written(folder / "labels/20240502-0009.txt", BOX)
    said = imported(folder, tmp_path / "out").warnings
    (label,) = (tmp_path / "out/labels").rglob("20240501-0009.txt")
    assert label.read_text() == ""
    assert any("20240502-0009.txt" in line for line in said)


def test_images_beside_the_folder_are_not_of_it(tmp_path: Path) -> None:
    coco(tmp_path / "theirs", **{name: [4.0, 4.0, 9.0, 9.0] for name in "abcdef"})
    for name in "acdef":
        picture(tmp_path / f"theirs/{name}.jpg")
    picture(tmp_path / "images/b.jpg")
    with pytest.raises(DataError, match=r"images that are missing: 1 of 6 \(b.jpg\)"):
        imported(tmp_path / "theirs", tmp_path / "out")


@pytest.mark.parametrize("place", ["labels", "annotations", "ann"])
def test_images_beside_a_folder_of_annotations_alone_are(tmp_path: Path, place: str) -> None:
    coco(tmp_path / "theirs" / place, **{name: [4.0, 4.0, 9.0, 9.0] for name in "abcdef"})
    for name in "abcdef":
        picture(tmp_path / f"theirs/images/{name}.jpg")
    assert sum(imported(tmp_path / "theirs" / place, tmp_path / "out").images.values()) == 6


def test_labels_of_another_kind_in_the_same_folder_are_said(tmp_path: Path) -> None:
    """The button of labelImg that changes the format leaves both kinds in one folder."""
    folder = tmp_path / "theirs"
    voc(folder, *STEMS[:4])
    written(folder / "classes.txt", "\n".join(NAMES))
    for stem in STEMS[4:]:
        picture(folder / f"{stem}.jpg")
        written(folder / f"{stem}.txt", yolo_lines(stem))
    said = imported(folder, tmp_path / "out").warnings
    assert f"files of annotations that are not read: 2 ({folder}/photo4.txt, {folder}/photo5.txt)" in said
    assert any(line.startswith("images without annotations are left out: 2") for line in said)


def test_class_names_beside_the_labels(tmp_path: Path) -> None:
    """As labelImg has it, where images and labels have a folder each."""
    folder = tmp_path / "theirs"
    written(folder / "labels/classes.txt", "\n".join(NAMES))
    for stem in STEMS:
        picture(folder / f"images/{stem}.jpg")
        written(folder / f"labels/{stem}.txt", yolo_lines(stem))
    assert sum(imported(folder, tmp_path / "out").images.values()) == len(STEMS)


def test_names_in_a_zip_of_a_mac(tmp_path: Path) -> None:
    """They are UTF-8, and the archive does not say so."""
    stems = [f"café{number}" for number in range(6)]
    coco(tmp_path / "theirs", **{stem: [4.0, 4.0, 9.0, 9.0] for stem in stems})
    for stem in stems:
        picture(tmp_path / f"theirs/{stem}.jpg")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in (tmp_path / "theirs").iterdir():
            archive.write(path, path.name)
    packed = bytearray(content.getvalue())
    for start, place in ((b"PK\3\4", 7), (b"PK\1\2", 9)):  # the flag, in both of its places
        for match in re.finditer(re.escape(start), bytes(packed)):
            packed[match.start() + place] &= ~8
    (tmp_path / "theirs.zip").write_bytes(packed)
    assert sum(imported(tmp_path / "theirs.zip", tmp_path / "out").images.values()) == 6


def test_several_data_yamls_are_refused(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "theirs")
    (folder / "data_v2.yaml").write_bytes((folder / "data.yaml").read_bytes())
    with pytest.raises(DataError, match=r"several data yamls \(data.yaml, data_v2.yaml\); give the one"):
        imported(folder, tmp_path / "out")


@pytest.mark.parametrize("names", [("instances_train", "instances_val"), ("instances_default",)])
def test_other_json_above_the_annotations(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "theirs"
    written(folder / "meta.json", '{"license": "CC BY 4.0"}')
    for name in names:
        stems = [f"{name}{number}" for number in range(6)]
        coco(folder / "annotations", **{stem: [4.0, 4.0, 9.0, 9.0] for stem in stems})
        (folder / "annotations/a.json").rename(folder / f"annotations/{name}.json")
        for stem in stems:
            picture(folder / f"images/{stem}.jpg")
    assert sum(imported(folder, tmp_path / "out").images.values()) == 6 * len(names)


def test_annotations_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of COCO may take a minute."""
    coco(tmp_path / "theirs", **{stem: [4.0, 4.0, 9.0, 9.0] for stem in STEMS})
    for stem in STEMS:
        picture(tmp_path / f"theirs/{stem}.jpg")
    read, content_of = [], registry.content_of
    monkeypatch.setattr(registry, "content_of", lambda file: (read.append(file), content_of(file))[1])
    imported(tmp_path / "theirs", tmp_path / "out")
    assert read == [tmp_path / "theirs/a.json"]


def test_an_empty_folder_by_a_link_is_written_to(tmp_path: Path) -> None:
    coco(tmp_path / "theirs", **{stem: [4.0, 4.0, 9.0, 9.0] for stem in STEMS})
    for stem in STEMS:
        picture(tmp_path / f"theirs/{stem}.jpg")
    (tmp_path / "large").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "large")
    imported(tmp_path / "theirs", tmp_path / "out")
    assert (tmp_path / "large/data.yaml").exists()


def with_a_percent_sign(folder: Path) -> None:
    image = folder / "images/train/0.png"
    image.rename(image.with_name("photo 0.png"))
    (folder / "labels/train/0.txt").rename(folder / "labels/train/photo%200.txt")


def test_labels_under_another_name_are_refused_by_the_import_too(tmp_path: Path) -> None:
    """`kdpipe init` imports what the data yaml alone does not allow, and found images without objects."""
    folder = small_set(tmp_path / "theirs", with_a_percent_sign)
    said = re.escape("label files under another name or in another place: 1: ")
    with pytest.raises(DataError, match=said):
        data_yaml.read(folder / "data.yaml", "detect")
    with pytest.raises(DataError, match=said):
        imported(folder, tmp_path / "out")


def test_a_test_split_without_label_files_is_none(tmp_path: Path) -> None:
    folder = small_set(tmp_path / "theirs", test="images/test")
    yaml = (folder / "data.yaml").read_text()
    (folder / "data.yaml").write_text("".join(line for line in yaml.splitlines(True) if "val" not in line))
    for number in range(3):
        picture(folder / f"images/test/{number}.png")
    for number in range(3, 10):
        picture(folder / f"images/train/{number}.png")
        written(folder / f"labels/train/{number}.txt", LABEL)
    done = imported(folder, tmp_path / "out")
    assert f"{folder}/data.yaml: test has no label files, so there is no test split" in done.warnings
    assert done.images == {"train": 8, "val": 2}


def a_turned_box_with_its_centre_outside(folder: Path) -> str:
    for stem in STEMS:
        picture(folder / f"images/{stem}.png")
        written(folder / f"labelTxt/{stem}.txt", "10 10 20 10 20 20 10 20 ship 0\n")
    with (folder / "labelTxt/photo0.txt").open("a") as file:
        file.write("-30 10 10 10 10 20 -30 20 ship 0\n")
    return "1 outside of the image"


def an_outline_that_is_a_line(folder: Path) -> str:
    coco(folder, [10, 10, 30, 10, 20, 10], **{stem: [4.0, 4.0, 16.0, 16.0] for stem in STEMS})
    for stem in STEMS:
        picture(folder / f"{stem}.jpg")
    return "1 boxes without area"


@pytest.mark.parametrize(
    ("make", "task"), [(a_turned_box_with_its_centre_outside, "obb"), (an_outline_that_is_a_line, "segment")]
)
def test_an_object_that_ultralytics_refuses_is_left_out(
    tmp_path: Path, make: Callable[[Path], str], task: str
) -> None:
    """Stage prepare refused the whole data set for it, and named a file that the import had written."""
    left_out = make(tmp_path / "theirs")
    done = imported(tmp_path / "theirs", tmp_path / "out", task)
    (said,) = (line for line in done.warnings if line.startswith("objects that are left out: 1 of"))
    assert left_out in said
    prepare(Data(source=str(done.yaml), task=task), tmp_path / "dataset")


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_damaged_exif_is_none(tmp_path: Path, kind: str) -> None:
    """Ultralytics reads such images as they are."""
    folder = small_set(tmp_path / "theirs")
    Image.open(folder / "images/train/0.png").save(folder / f"images/train/0.{kind}", exif=b"XXXXgarbage")
    if kind != "png":
        (folder / "images/train/0.png").unlink()
    manifest = prepare(Data(source=str(folder), task="detect"), tmp_path / "dataset")
    assert manifest.splits["train"].images == 3
