"""Annotations that are broken, lead elsewhere or lose objects: one clear sentence for each."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.console import Console

from kdpipe import cli
from kdpipe import console as terminal
from kdpipe.data import data_yaml
from kdpipe.data.importing import ImportResult, import_data, splitting
from kdpipe.data.prepare import prepare
from kdpipe.errors import DataError
from kdpipe.params.schema import Data

COUNT, SIDE = 6, 32
Spoil = Callable[[Path], object]


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(path.stem.encode(), "big") % 2**32
    pixels = np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(path, pnginfo=PngInfo())


def yolo(folder: Path) -> Path:
    for number in range(COUNT):
        image(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"{number % 2} 0.5 0.5 0.5 0.5\n")
    (folder / "classes.txt").write_text("cat\ndog\n")
    return folder


def coco(folder: Path, **changes: object) -> Path:
    """A COCO file whose first image and first annotation can be changed."""
    images: list[dict[str, object]] = [
        {"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE} for n in range(COUNT)
    ]
    found: list[dict[str, object]] = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [4, 4, 9, 9], "area": 81, "iscrowd": 0}
        for n in range(COUNT)
    ]
    for name, value in changes.items():
        (images if name in images[0] else found)[0][name] = value
    for number in range(COUNT):
        image(folder / f"{number}.png")
    content = {"images": images, "annotations": found, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def cvat(folder: Path, shapes: str, name: str = "0.png") -> Path:
    box = '<box label="cat" xtl="4" ytl="4" xbr="12" ybr="12" occluded="0"/>'
    size = f'width="{SIDE}" height="{SIDE}"'
    lines = [f'<image id="0" name="{name}" {size}>{shapes}</image>']
    lines += [f'<image id="{n}" name="{n}.png" {size}>{box}</image>' for n in range(1, COUNT)]
    for number in range(COUNT):
        image(folder / f"{number}.png")
    (folder / "a.xml").write_text(f"<annotations>{''.join(lines)}</annotations>")
    return folder / "a.xml"


def imported(source: Path, out: Path, task: str = "detect", groups: str | None = None) -> ImportResult:
    return import_data(source, out, task, images=None, groups=groups, seed=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("0.txt", b"inf 0.5 0.5 0.5 0.5", "0.txt: line 1: 'inf' is no number"),
        ("0.txt", b"0 0.5 0.5 0.5 0.5\n\n0 inf 0.5 0.5 0.5", "0.txt: line 3: 'inf' is no number"),
        ("0.txt", b"nan 0.5 0.5 0.5 0.5", "0.txt: line 1: 'nan' is no number"),
        ("0.txt", b"cat 0.5 0.5 0.5 0.5", "0.txt: line 1: 'cat' is no number"),
        ("0.txt", b"1e999 0.5 0.5 0.5 0.5", "0.txt: line 1: '1e999' is no number"),
        ("0.txt", b"0.5 0.5 0.5 0.5 0.5", "0.txt: line 1: class id 0.5 outside 0..1 (2 class names)"),
        ("0.txt", b"7 0.5 0.5 0.5 0.5", "0.txt: line 1: class id 7 outside 0..1 (2 class names)"),
        ("0.txt", b"\x00\x01\xff\xfe", "0.txt: labels must be text in UTF-8, but byte 3 is none"),
        ("0.txt", b"\x00\x01\x02", "0.txt: line 1: '\\x00\\x01\\x02' is no number"),
        ("classes.txt", "größe\ncat".encode("latin-1"), "classes.txt: class names must be text in UTF-8"),
        ("classes.txt", "cat\ndog".encode("utf-16"), "classes.txt: class names must be text in UTF-8"),
        ("classes.txt", b"cat\n \ndog\n\n", "classes.txt: line 2 is empty; write a class name"),
        ("classes.txt", b"cat\ncat", "classes.txt: more than one class is called cat"),
        ("classes.txt", b"cat\0\ndog", "classes.txt: the class 'cat\\x00' has characters that"),
        ("classes.txt", b"", "classes.txt: there are no class names; write them into it, one a line"),
        (b"gr\xf6.png", b"", "theirs/gr\\xf6.png; file names must be UTF-8"),
    ],
)
def test_files_that_are_broken(tmp_path: Path, name: str | bytes, content: bytes, message: str) -> None:
    (yolo(tmp_path / "theirs") / os.fsdecode(name)).write_bytes(content)
    with pytest.raises(DataError) as error:
        imported(tmp_path / "theirs", tmp_path / "out")
    assert message in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("name", ["x.txt", "x.png", "a.json", "a.xml", "classes.txt"])
def test_files_without_an_end(tmp_path: Path, name: str) -> None:
    path = yolo(tmp_path / "theirs") / name
    path.unlink(missing_ok=True)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("none")):
        make(path)
        with pytest.raises(DataError, match=f"1 file is no regular file.*{name}; remove what is"):
            imported(tmp_path / "theirs", tmp_path / "out")
        path.unlink()


def test_folders_named_like_files(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    for name in ("x.txt", "x.png", "x.json", "x.xml"):
        (folder / name).mkdir()
    assert sum(imported(folder, tmp_path / "out").images.values()) == COUNT


def test_a_broken_json_is_named(tmp_path: Path) -> None:
    folder = coco(tmp_path / "theirs").parent
    (folder / "a.json").write_text("{\n{")
    with pytest.raises(DataError, match=r"theirs/a\.json, line 2: no valid json \(Expecting"):
        imported(folder, tmp_path / "out")


def test_a_folder_of_images_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none does not exist"):
        import_data(
            coco(tmp_path / "theirs"),
            tmp_path / "out",
            "detect",
            images=tmp_path / "none",
            groups=None,
            seed=0,
        )


def test_all_broken_label_files_are_counted(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    for number in range(5):
        (folder / f"{number}.txt").write_text("cat 0.5 0.5 0.5 0.5")
    with pytest.raises(DataError, match=r"^5 label files cannot be used: .*2\.txt: .*, \.\.\.$"):
        imported(folder, tmp_path / "out")


def test_an_image_named_as_the_class_names(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    image(folder / "classes.png")
    done = imported(folder, tmp_path / "out")
    assert sum(done.images.values()) == COUNT + 1
    [label] = (tmp_path / "out/labels").rglob("classes.txt")
    assert label.read_text() == ""
    (folder / "labels").mkdir()
    (folder / "labels/classes.txt").write_text("1 0.5 0.5 0.25 0.25\n")
    imported(folder, tmp_path / "again")
    [label] = (tmp_path / "again/labels").rglob("classes.txt")
    assert label.read_text() == "1 0.5 0.5 0.25 0.25\n"


NAMES = ["${", "a${b}", "no", "010", "1.10", "null", "größe", "猫", "a|b", "- x: y", "#", "2024-01-01", "1e3"]


def test_class_names_are_kept_as_they_are(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    (folder / "classes.txt").write_text("\ufeff" + "\n".join(NAMES) + "\n", encoding="utf-8")
    done = imported(folder, tmp_path / "out")
    assert data_yaml.header(done.yaml)[0] == NAMES
    assert yaml.safe_load(done.yaml.read_text(encoding="utf-8"))["names"] == NAMES
    assert prepare(Data(source=str(done.yaml)), tmp_path / "dataset").names == NAMES
    assert data_yaml.header(tmp_path / "dataset/data.yaml")[0] == NAMES


def test_an_interrupted_import_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = yolo(tmp_path / "theirs")
    real, copied = shutil.copyfile, []

    def full(source: Path, target: str) -> None:
        copied.append(source)
        if len(copied) == 3:
            raise OSError(28, "No space left on device")
        real(source, target)

    def other_disk(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr("os.link", other_disk)
        patch.setattr("shutil.copyfile", full)
        imported(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
    (tmp_path / ".out.part").mkdir()  # as after kill -9
    (tmp_path / ".out.part/rest").write_text("")
    assert sum(imported(folder, tmp_path / "out").images.values()) == COUNT
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data.yaml", "images", "labels"]


@pytest.mark.parametrize(
    "name", ["../secret.png", "{outside}/secret.png", "images/../../secret.png", "..\\secret.png"]
)
@pytest.mark.parametrize("write", [coco, cvat])
def test_file_names_do_not_lead_out(tmp_path: Path, name: str, write: Callable[..., Path]) -> None:
    image(tmp_path / "secret.png")
    name = name.format(outside=tmp_path)
    folder = tmp_path / "theirs"
    (folder / "images").mkdir(parents=True)
    box = '<box label="cat" xtl="4" ytl="4" xbr="12" ybr="12" occluded="0"/>'
    source = coco(folder, file_name=name) if write is coco else cvat(folder, box, name)
    with pytest.raises(DataError) as error:
        imported(source, tmp_path / "out")
    assert "1 file name leads out of the folder of the images" in str(error.value)
    assert name in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox": [4, 4, 9]}, "a.json, annotation 0: 0.png: coordinates must be finite numbers"),
        ({"bbox": [float("nan"), 4, 9, 9]}, "a.json, annotation 0: 0.png: coordinates must be finite"),
        ({"bbox": ["4", 4, 9, 9]}, "a.json, annotation 0: 0.png: coordinates must be finite"),
        ({"width": 0}, "a.json: 0.png has width or height 0"),
        ({"image_id": 77}, "annotations are of 1 image that is not in `images`: annotation 0"),
        ({"category_id": 77}, "a.json, annotation 0: the class 77 is not among cat"),
        ({"file_name": ""}, "a.json: images[0] has no `file_name`"),
        ({"file_name": "1.png"}, "1 image is listed more than once: 1.png"),
        ({"file_name": "./1.png"}, "1 image is listed more than once: ./1.png and 1.png are"),
    ],
)
def test_coco_that_is_broken(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError) as error:
        imported(coco(tmp_path / "theirs", **changes), tmp_path / "out")
    assert message in str(error.value)


def test_lost_objects_are_said_first_and_plainly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    cuboid = '<cuboid label="dog" occluded="0"/>'
    done = imported(cvat(tmp_path / "theirs", 3 * cuboid), tmp_path / "out")
    assert done.warnings[0] == "a.xml: shapes that cannot be used are left out: 3 cuboid"
    assert not any("fewer than" in line for line in done.warnings)
    crowd = imported(coco(tmp_path / "crowd", iscrowd=1), tmp_path / "crowd-out")
    assert crowd.warnings == [
        "objects that are left out: 1 of 6 (1 crowds (`iscrowd`))",
        "there was no val: 1 image was split off from train",  # of five with a cat, and one without
    ]
    assert capfd.readouterr().err == ""
    assert not recwarn.list


def test_objects_without_an_outline_are_said(tmp_path: Path) -> None:
    for number, outline in ((5, [4, 4, 12, 4, 12, 12]), (6, [1, 2]), (6, [1, 2, 3, 4, 5, 6, 7])):
        source = coco(tmp_path / f"theirs{outline}", segmentation=[outline])
        warnings = imported(source, tmp_path / f"out{outline}", "segment").warnings
        assert warnings[0] == f"{number} objects have no outline, and the one of the box is used"
    source = coco(tmp_path / "theirs", segmentation={"size": [SIDE, SIDE], "counts": "abc"})
    with pytest.raises(DataError, match=r"a\.json: 0\.png: a mask \(RLE\) cannot be decoded"):
        imported(source, tmp_path / "out", "segment")


def test_images_without_a_label_file_are_said(tmp_path: Path) -> None:
    """An empty label file says that there is no object; none may be a misspelt name."""
    folder = yolo(tmp_path / "theirs")
    (folder / "0.txt").rename(folder / "0.TXT")
    (folder / "1.txt").write_text("")
    said = "images without a label file, which count as images without objects: 1 of 6: "
    assert imported(folder, tmp_path / "out").warnings[0] == f"{said}{folder}/0.png"
    for number in range(1, 4):
        (folder / f"{number}.txt").unlink()
    with pytest.raises(DataError, match=r"images without a label file: 4 of 6: .* and 1 more; name"):
        imported(folder, tmp_path / "again")


def test_images_that_are_left_out_are_said(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    for name in (".hidden.png", "._0.png", "__MACOSX/._0.png", "__MACOSX/1.png"):
        image(folder / name)
    for name in ("a.gif", "b.gif", "c.tga"):
        (folder / name).touch()
    done = imported(folder, tmp_path / "out")
    assert sum(done.images.values()) == COUNT
    assert done.warnings[:2] == [
        f"hidden files are excluded, as in Ultralytics: {folder}/.hidden.png",
        "files that Ultralytics does not read are excluded: 2 .gif, 1 .tga; save them as PNG",
    ]


def test_images_behind_a_link(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    yolo(tmp_path / "elsewhere")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    assert sum(imported(folder, tmp_path / "out").images.values()) == 2 * COUNT
    (folder / "circle").symlink_to(folder)
    with pytest.raises(DataError, match="circle is a link to a folder that contains it; remove it"):
        imported(folder, tmp_path / "again")


def test_notes_of_label_studio_are_no_annotations(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    (folder / "notes.json").write_text('{"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2024}}')
    assert sum(imported(folder, tmp_path / "out").images.values()) == COUNT


def test_an_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match="out is no folder; choose another folder with --out, or remove it"):
        imported(yolo(tmp_path / "theirs"), tmp_path / "out")


def test_an_import_that_would_lose_everything_is_refused(tmp_path: Path) -> None:
    source = coco(tmp_path / "theirs")
    content = json.loads(source.read_text())
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1
    source.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"no object of 6 can be learned from; .*6 crowds"):
        imported(source, tmp_path / "out")


def test_few_images_are_split_too(tmp_path: Path) -> None:
    for count, val in ((2, 1), (3, 1), (6, 2)):
        folder = yolo(tmp_path / f"theirs{count}")
        for number in range(count, COUNT):
            (folder / f"{number}.png").unlink()
            (folder / f"{number}.txt").unlink()
        assert imported(folder, tmp_path / f"out{count}").images == {"train": count - val, "val": val}


def test_labels_of_no_image(tmp_path: Path) -> None:
    folder = yolo(tmp_path / "theirs")
    (folder / "0.png").rename(folder / "zero.png")
    done = imported(folder, tmp_path / "out")
    assert done.warnings[0].startswith("1 label file belongs to no image (")
    for number in range(1, 5):
        (folder / f"{number}.png").rename(folder / f"photo{number}.png")
    with pytest.raises(
        DataError, match=r"5 label files belong to no image .*; images and labels need the same"
    ):
        imported(folder, tmp_path / "again")


def test_a_regular_expression_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = yolo(tmp_path / "theirs")
    (folder / "0.png").rename(folder / f"{'a' * 60}.png")
    (folder / "0.txt").rename(folder / f"{'a' * 60}.txt")
    monkeypatch.setattr(splitting, "LONGEST", 1)
    before = time.monotonic()
    with pytest.raises(DataError, match=r"takes longer than 1 s on the names of the images"):
        imported(folder, tmp_path / "out", groups=r"^(a+)+\.$")
    assert time.monotonic() - before < 60
    for wrong in ("(", "a{99999999999}"):
        with pytest.raises(DataError, match="is no regular expression"):
            imported(folder, tmp_path / "out", groups=wrong)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "1 label file cannot be used: "),
        (("--out", "data/dataset"), "--out data/dataset: DVC deletes data/dataset before the pipeline"),
        (("--out", "runs/baseline/x"), "--out runs/baseline/x: DVC deletes runs/baseline before"),
        (("--out", "link/x"), "--out link/x: DVC deletes data/dataset before the pipeline writes it; choose"),
        (("--task", "detct"), "--task 'detct': did you mean 'detect'?"),
    ],
)
def test_the_command_says_it_in_one_line(
    given: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (yolo(tmp_path / "theirs") / "0.txt").write_text("cat 0.5 0.5 0.5 0.5")
    (tmp_path / "link").symlink_to("data/dataset")
    before = sorted(tmp_path.rglob("*"))
    said = io.StringIO()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(terminal, "errors", Console(file=said, soft_wrap=True))
    monkeypatch.setattr(sys, "argv", ["kdpipe", "import", "theirs", *given])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert said.getvalue().startswith(f"error: {message}")
    assert said.getvalue().count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
