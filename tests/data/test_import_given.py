"""What is given to an import: zips, data yamls without val, files of other tools beside; and the split."""

from __future__ import annotations

import io
import random
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from kdpipe.data import data_yaml
from kdpipe.data.importing import ImportResult, archive, import_data
from kdpipe.data.importing.annotations import Image
from kdpipe.data.importing.splitting import split_off, with_equal_files
from kdpipe.errors import DataError
from tests.data.exports import coco_and_yolo, xml_tools
from tests.data.exports.truth import NAMES, STEMS, picture, written
from tests.data.small import small_set


def imported(source: Path, out: Path, groups: str | None = None) -> ImportResult:
    return import_data(source, out, "detect", images=None, groups=groups, seed=0)


def zipped(folder: Path, to: Path, *more: tuple[zipfile.ZipInfo, str]) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
        for entry, content in more:
            file.writestr(entry, content)
    return to


def test_a_zip_is_read_as_it_was_downloaded(tmp_path: Path) -> None:
    folder = coco_and_yolo.roboflow_coco(tmp_path / "pets")
    (folder / "__MACOSX").mkdir()
    picture(folder / "__MACOSX/._photo0.jpg")
    source = zipped(folder, tmp_path / "pets.v1.zip")
    shutil.rmtree(folder)
    done = imported(source, tmp_path / "new/out")
    assert done.images == {"train": 3, "val": 2, "test": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "pets.v1.zip"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("../escaped.txt", 0, "../escaped.txt leads out of the archive; do not use this zip"),
        ("/escaped.txt", 0, "/escaped.txt leads out of the archive"),
        ("a/../../escaped.txt", 0, "leads out of the archive"),
        ("..\\escaped.txt", 0, "leads out of the archive"),
        ("C:\\escaped.txt", 0, "leads out of the archive"),
        ("link.jpg", stat.S_IFLNK | 0o777, "link.jpg is a link or a device; unpack it yourself"),
        ("pipe.jpg", stat.S_IFIFO | 0o666, "pipe.jpg is a link or a device"),
    ],
)
def test_a_zip_that_leads_out_is_refused(name: str, mode: int, message: str, tmp_path: Path) -> None:
    folder = coco_and_yolo.label_studio_yolo(tmp_path / "set")
    source = zipped(folder, tmp_path / "set.zip", (entry(name, mode), "/etc/hostname"))
    with pytest.raises(DataError) as error:
        imported(source, tmp_path / "out")
    assert message in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


def test_a_zip_that_is_too_large_or_broken_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = coco_and_yolo.label_studio_yolo(tmp_path / "set")
    source = zipped(folder, tmp_path / "set.zip", (entry("zeros.txt"), "0" * 10**7))
    monkeypatch.setattr(archive, "SMALL", 10**6)
    monkeypatch.setattr(archive, "MOST_TIMES", 2)
    with pytest.raises(DataError, match=r"set\.zip: its files have \d+ bytes, more than 1000000; unpack"):
        imported(source, tmp_path / "out")
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"set\.zip: a broken zip \(.*; download it again"):
        imported(source, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


def test_errors_name_the_zip_and_not_the_temporary_folder(tmp_path: Path) -> None:
    folder = xml_tools.voc(tmp_path / "set")
    written(folder / "Annotations/photo0.xml", "<annotation>")
    with pytest.raises(DataError, match=r"set\.zip/Annotations/photo0\.xml, line 1: no valid xml") as error:
        imported(zipped(folder, tmp_path / "set.zip"), tmp_path / "out")
    assert ".kdpipe-zip" not in str(error.value)


def test_the_data_yaml_is_found_among_others(tmp_path: Path) -> None:
    folder = coco_and_yolo.cvat_ultralytics(tmp_path / "theirs")
    written(folder / "environment.yml", "name: base\ndependencies: [python]\n")
    written(folder / ".travis.yml", "language: python\n")
    assert imported(folder, tmp_path / "out").images == {"train": 4, "val": 2}
    assert data_yaml.find_yaml(folder) == folder / "data.yaml"


def test_a_data_yaml_keeps_its_test_split_and_its_other_keys(tmp_path: Path) -> None:
    folder = coco_and_yolo.cvat_ultralytics(tmp_path / "theirs")
    content = yaml.safe_load((folder / "data.yaml").read_text())
    for kind, suffix in (("images", "jpg"), ("labels", "txt")):
        (folder / kind / "test").mkdir()
        (folder / f"{kind}/train/photo5.{suffix}").rename(folder / f"{kind}/test/photo5.{suffix}")
    written(folder / "train.txt", "".join(f"data/images/train/{stem}.jpg\n\n" for stem in STEMS[:5]))
    content |= {"test": "images/test", "flip_idx": [0, 1]}
    written(folder / "data.yaml", yaml.safe_dump(content))
    done = imported(folder / "data.yaml", tmp_path / "out")
    assert done.images == {"train": 4, "val": 1, "test": 1}
    found = yaml.safe_load(done.yaml.read_text())
    assert found["names"] == NAMES
    assert found["flip_idx"] == [0, 1]
    written(folder / "train.txt", "data/images/train/none.jpg\n")
    with pytest.raises(
        DataError, match=r"train\.txt lists images that are not there: 1 \(data/images/train/none"
    ):
        imported(folder, tmp_path / "again")


def test_a_data_yaml_that_needs_no_import_is_said(tmp_path: Path) -> None:
    folder = coco_and_yolo.cvat_ultralytics(tmp_path / "theirs")
    written(folder / "data.yaml", f"train: images/train\nvalidation: images/train\nnames: {NAMES}\n")
    with pytest.raises(DataError, match=r"has a data yaml already: write data\.source: .*data\.yaml into"):
        imported(folder, tmp_path / "out")


def test_a_zip_with_a_whole_data_set_is_imported(tmp_path: Path) -> None:
    """As Roboflow exports YOLO: its data yaml names folders one level up."""
    names = {"train": "../train/images", "val": "../valid/images", "names": ["cat", "dog"]}
    small_set(tmp_path / "theirs", _as_of_roboflow, **names)
    done = imported(zipped(tmp_path / "theirs", tmp_path / "pets.zip"), tmp_path / "out")
    assert done.images == {"train": 3, "val": 3}
    assert len(list((tmp_path / "out/labels/val").iterdir())) == 3
    assert "path" not in yaml.safe_load(done.yaml.read_text())


def _as_of_roboflow(folder: Path) -> None:
    for split, name in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            (folder / name).mkdir(exist_ok=True)
            (folder / kind / split).rename(folder / name / kind)


def test_json_of_another_tool_beside_yolo_files(tmp_path: Path) -> None:
    folder = coco_and_yolo.label_studio_yolo(tmp_path / "theirs")
    written(folder / "package.json", '{"name": "pets"}')
    assert imported(folder, tmp_path / "out").images == {"train": 4, "val": 2}


def test_any_few_images_are_split() -> None:
    """Fewer than five of each class, groups of any size: both sides have images, and no group is on both."""
    random_ = random.Random(0)  # noqa: S311
    for _ in range(200):
        count, classes = random_.randint(2, 9), random_.randint(1, 6)
        images = [
            Image(
                Path(str(n)),
                "".join(f"{random_.randrange(classes)} 0 0 1 1\n" for _ in range(random_.randint(0, 3))),
            )
            for n in range(count)
        ]
        groups = ["0", "1", *(str(random_.randint(0, 4)) for _ in range(count - 2))]
        sides = split_off(images, groups, random_.randint(0, 9))
        found = [{groups[int(image.path.name)] for image in side} for side in sides]
        assert found[0]
        assert found[1]
        assert not found[0] & found[1]


def test_equal_files_stay_on_one_side(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1", "c1"):
        written(tmp_path / f"{name}.jpg", "same" if name in ("a2", "b1") else name * 2)
    paths = [tmp_path / f"{name}.jpg" for name in ("c1", "b1", "a2", "a1")]
    assert with_equal_files(paths, ["c", "b", "a", "a"]) == ["c", "a", "a", "a"]
    folder = coco_and_yolo.label_studio_yolo(tmp_path / "theirs")
    for number in range(8):
        shutil.copy(folder / "images/3f2a1b4c-photo0.jpg", folder / f"images/copy{number}.jpg")
        shutil.copy(folder / "labels/3f2a1b4c-photo0.txt", folder / f"labels/copy{number}.txt")
    for seed in range(3):
        done = import_data(folder, tmp_path / f"out{seed}", "detect", images=None, groups=None, seed=seed)
        sides = [
            {path.read_bytes() for path in (done.yaml.parent / "images" / split).iterdir()}
            for split in ("train", "val")
        ]
        assert not sides[0] & sides[1]


def test_counts_are_shown_in_a_table(tmp_path: Path) -> None:
    done = imported(coco_and_yolo.roboflow_coco(tmp_path / "theirs"), tmp_path / "out")
    shown = io.StringIO()
    Console(file=shown, width=80).print(done.table())
    rows = [line.replace("│", " ").split() for line in shown.getvalue().splitlines()]
    assert ["images", "3", "2", "1"] in rows
    assert ["objects", "5", "3", "1"] in rows
    assert ["dog", "2", "1", "0"] in rows
    assert ["cat", "3", "2", "1"] in rows
