"""Nothing is lost or swapped without a word: names, entities, flags, sizes, pictures that are no data."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from kdpipe.data.importing import ImportResult, import_data
from kdpipe.errors import DataError
from tests.data.exports import coco_and_yolo, others, xml_tools
from tests.data.exports.truth import HEIGHT, NAMES, STEMS, WIDTH, Coco, picture, written
from tests.data.test_exports import expected, objects, same

BOX = "<bndbox><xmin>5</xmin><ymin>7</ymin><xmax>24</xmax><ymax>22</ymax></bndbox>"


def imported(source: Path, out: Path, task: str = "detect", images: Path | None = None) -> ImportResult:
    return import_data(source, out, task, images=images, groups=None, seed=0)


def labels(done: ImportResult, task: str = "detect") -> dict[str, list[tuple[str, list[float]]]]:
    names = yaml.safe_load(done.yaml.read_text())["names"]
    return {path.stem: objects(path, names, task) for path in (done.yaml.parent / "labels").rglob("*.txt")}


def test_a_stale_file_name_in_voc_is_not_used(tmp_path: Path) -> None:
    """Files that were renamed with their xml: the name in it is another picture's, or nobody's."""
    folder = xml_tools.voc(tmp_path / "theirs")
    for stem, named in (
        ("photo0", "photo1.jpg"),
        ("photo2", "IMG_0001.JPG"),
        ("photo3", r"C:\pets\photo3.jpg"),
    ):
        written(folder / f"Annotations/{stem}.xml", xml_tools.voc_text(stem, named))
    done = imported(folder, tmp_path / "out")
    for stem, found in labels(done).items():
        assert same(found, expected(stem, "detect"))
    said = (
        "xml files whose <filename> is of another name: 2 (photo0.xml has photo1.jpg, photo2.xml has IMG_0001"
    )
    assert done.warnings[0].startswith(said)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("named", ["Größe 1.jpg", "images\\Größe 1.jpg", "GRÖSSE 1.JPG", "größe 1.JPG"])
def test_names_in_other_forms_are_found(named: str, form: str, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    for stem in STEMS[1:]:
        picture(folder / f"images/{stem}.jpg")
    if "SS" in named:
        picture(folder / "images/GRÖSSE 1.jpg")
    else:
        picture(folder / "images" / unicodedata.normalize(form, "Größe 1.jpg"))
    style = Coco(file_name=lambda stem: named if stem == "photo0" else f"{stem}.jpg")
    written(folder / "a.json", style.text(STEMS), encoding="utf-8-sig")
    assert imported(folder, tmp_path / "out").images == {"train": 4, "val": 2}


def test_two_pictures_of_one_name_are_not_guessed(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    for place in ("a", "b"):
        for stem in STEMS:
            picture(folder / f"images/{place}/{stem}.jpg")
    written(folder / "a.json", Coco().text(STEMS))
    with pytest.raises(DataError, match=r"photo0\.jpg: several images are called so \(.*; say where"):
        imported(folder, tmp_path / "out")
    done = imported(folder, tmp_path / "out", images=folder / "images/a")
    assert sum(done.images.values()) == 6


def test_subsets_of_cvat_with_the_same_names(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    text = ""
    for subset in ("Train", "Validation"):
        for number, stem in enumerate(STEMS[:3]):
            picture(folder / f"images/{subset}/{stem}.jpg")
            box = f'<box label="{subset}" xtl="4" ytl="4" xbr="12" ybr="12" occluded="0"/>'
            text += xml_tools.cvat_image(number, f"{stem}.jpg", box, f'subset="{subset}"')
    written(folder / "annotations.xml", xml_tools.cvat_text(text, ["Train", "Validation"]))
    done = imported(folder, tmp_path / "out")
    assert done.images == {"train": 3, "val": 3}
    assert done.objects["train"] == {"Train": 3, "Validation": 0}
    assert done.objects["val"] == {"Train": 0, "Validation": 3}
    for stem in STEMS[:3]:
        (folder / f"images/Validation/{stem}.jpg").unlink()
    with pytest.raises(DataError, match="3 images are listed more than once"):
        imported(folder, tmp_path / "again")


ESCAPED = {
    "R&amp;D": "R&D",
    "cat &amp; dog": "cat & dog",
    "dog": "dog",
    "caf&#233;": "café",
    "&lt;x&gt;": "<x>",
}


@pytest.mark.parametrize("tool", ["voc", "cvat"])
def test_entities_of_xml_are_characters(tool: str, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    text = ""
    for number, (stem, name) in enumerate(zip(STEMS, ESCAPED, strict=False)):
        picture(folder / f"{stem}.jpg")
        if tool == "voc":
            found = f"<object><name>{name}</name>{BOX}</object>"
            written(folder / f"{stem}.xml", xml_tools.voc_text(stem, objects=found))
        shape = f'<box label="{name}" xtl="4" ytl="4" xbr="12" ybr="12" occluded="0"/>'
        text += xml_tools.cvat_image(number, f"{stem}.jpg", shape)
    if tool == "cvat":
        written(folder / "annotations.xml", xml_tools.cvat_text(text, list(ESCAPED)))
    done = imported(folder, tmp_path / "out")
    found = {stem: [name for name, _ in of_one] for stem, of_one in labels(done).items()}
    assert found == {stem: [name] for stem, name in zip(STEMS, ESCAPED.values(), strict=False)}
    if tool == "cvat":
        assert yaml.safe_load(done.yaml.read_text(encoding="utf-8"))["names"] == list(ESCAPED.values())


def test_entities_of_a_file_of_its_own_are_refused(tmp_path: Path) -> None:
    folder = xml_tools.voc(tmp_path / "theirs")
    text = (folder / "Annotations/photo0.xml").read_text()
    written(folder / "Annotations/photo0.xml", '<!DOCTYPE a [<!ENTITY x SYSTEM "/etc/hostname">]>\n' + text)
    with pytest.raises(DataError, match=r"photo0\.xml, line 1: XML with own entities is not read"):
        imported(folder, tmp_path / "out")


def test_byte_order_marks_are_no_content(tmp_path: Path) -> None:
    folder = coco_and_yolo.cvat_yolo_subsets(tmp_path / "theirs")
    for path in [*folder.rglob("*.txt"), folder / "obj.names"]:
        written(path, path.read_text(), encoding="utf-8-sig")
    done = imported(folder, tmp_path / "out")
    assert yaml.safe_load(done.yaml.read_text())["names"] == NAMES
    assert done.images == {"train": 3, "val": 2}
    csv = others.csv(tmp_path / "csv")
    written(csv / "labels.csv", (csv / "labels.csv").read_text(), encoding="utf-8-sig")
    assert sum(imported(csv, tmp_path / "csv-out").images.values()) == 6


def test_unused_classes_are_kept(tmp_path: Path) -> None:
    source = coco_and_yolo.cvat_coco(tmp_path / "theirs") / "annotations/instances_default.json"
    content = json.loads(source.read_text())
    content["categories"] += [{"id": 9, "name": "cow", "supercategory": ""}]
    content["categories"][:0] = [{"id": 0, "name": "bird", "supercategory": ""}]
    source.write_text(json.dumps(content))
    done = imported(tmp_path / "theirs", tmp_path / "out")
    assert yaml.safe_load(done.yaml.read_text())["names"] == ["bird", *NAMES, "cow"]


def test_difficult_objects_and_crowds_are_counted(tmp_path: Path) -> None:
    folder = xml_tools.voc(tmp_path / "voc")
    text = (folder / "Annotations/photo0.xml").read_text()
    written(folder / "Annotations/photo0.xml", text.replace("<difficult>0", "<difficult>1", 1))
    said = imported(folder, tmp_path / "voc-out").warnings[0]
    assert said == "objects that are left out: 1 of 9 (1 difficult objects of Pascal VOC)"
    coco = tmp_path / "coco"
    for stem in STEMS:
        picture(coco / f"{stem}.jpg")
    content = json.loads(Coco().text(STEMS))
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][1]["bbox"][2] = 0
    content["annotations"].append({**content["annotations"][2], "id": 99})
    content["annotations"].append({**content["annotations"][2], "id": 100, "bbox": [900, 900, 5, 5]})
    written(coco / "a.json", json.dumps(content))
    said = imported(coco, tmp_path / "coco-out").warnings[0]
    kinds = "1 boxes without area, 1 crowds (`iscrowd`), 1 given twice, 1 outside of the image"
    assert said == f"objects that are left out: 4 of 11 ({kinds})"


@pytest.mark.parametrize(
    "place", ["runs/detect/train", ".ipynb_checkpoints", "__MACOSX", "images/.ipynb_checkpoints"]
)
@pytest.mark.parametrize("write", [coco_and_yolo.label_studio_yolo, coco_and_yolo.cvat_coco, others.labelme])
def test_pictures_that_are_no_data(write, place: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "theirs")
    for name in ("photo0.jpg", "._photo1.jpg", "val_batch0_pred.jpg"):
        picture(folder / place / name)
    written(folder / place / "photo0.txt", "0 0.5 0.5 0.1 0.1\n")
    done = imported(folder, tmp_path / "out")
    assert sum(done.images.values()) == 6
    for stem, found in labels(done).items():
        assert same(found, expected(stem.removeprefix("3f2a1b4c-"), "detect"))


def test_files_of_labelme_that_are_called_like_splits(tmp_path: Path) -> None:
    folder = others.labelme(tmp_path / "theirs")
    for number, word in enumerate(("train", "val", "train", "val", "test", "test")):
        for suffix in ("json", "jpg"):
            (folder / f"photo{number}.{suffix}").rename(folder / f"{word}_{number}_photo{number}.{suffix}")
    assert sum(imported(folder, tmp_path / "out").images.values()) == 6


def test_images_that_were_rescaled_afterwards(tmp_path: Path) -> None:
    folder = coco_and_yolo.cvat_coco(tmp_path / "theirs")
    picture(folder / "images/default/photo0.jpg", 2 * WIDTH, 2 * HEIGHT)
    done = imported(folder, tmp_path / "out")
    assert same(labels(done)["photo0"], expected("photo0", "detect"))  # in the same shares of the image
    assert done.warnings[0].startswith("1 image has another size than was annotated; boxes are scaled: ")
    picture(folder / "images/default/photo1.jpg", 2 * WIDTH, HEIGHT)
    with pytest.raises(
        DataError, match=r"1 image has another shape .*photo1\.jpg is 128 x 48, annotated at 64 x 48"
    ):
        imported(folder, tmp_path / "again")


@pytest.mark.parametrize("tag", [5, 6, 7, 8])
@pytest.mark.parametrize("task", ["detect", "segment"])
def test_images_that_were_annotated_lying_on_the_side(tag: int, task: str, tmp_path: Path) -> None:
    """The box of a white field is around that field again, in the image as it is shown."""
    folder = xml_tools.voc(tmp_path / "voc") if task == "detect" else tmp_path / "theirs"
    folder = tmp_path / "theirs"
    for stem in STEMS:
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for _, left, top, right, bottom in coco_and_yolo.boxes(stem)[:1]:
            pixels[int(top) : int(bottom), int(left) : int(right)] = 255
        exif = Image.Exif()
        exif[0x0112] = tag
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"images/{stem}.jpg", exif=exif, quality=95)
    written(folder / "a.json", Coco(outlines=True).text(STEMS))
    done = imported(folder, tmp_path / "out", task)
    assert "6 images were annotated lying on the side" in done.warnings[0]
    for stem, found in labels(done, task).items():
        [image] = (tmp_path / "out/images").rglob(f"{stem}.jpg")
        with Image.open(image) as opened:
            exif = opened.getexif()
            method = {5: 5, 6: 4, 7: 6, 8: 2}[exif[0x0112]]  # Pillow's names of the turns
            shown = np.asarray(opened.transpose(Image.Transpose(method)))
        assert shown.shape[:2] == (WIDTH, HEIGHT)
        rows, columns = np.nonzero(shown[..., 0] > 128)
        values = next(values for name, values in found if name == "cat")
        shares = [value / (HEIGHT if n % 2 else WIDTH) for n, value in enumerate(values)]
        xs, ys = [v * HEIGHT for v in shares[::2]], [v * WIDTH for v in shares[1::2]]
        assert [min(xs), min(ys)] == pytest.approx([columns.min(), rows.min()], abs=1)
        assert [max(xs), max(ys)] == pytest.approx([columns.max() + 1, rows.max() + 1], abs=1)
