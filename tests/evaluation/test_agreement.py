"""What Ultralytics reads is what is measured against: labels of all kinds, and every difference is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kdpipe.data.manifest import load_manifest
from kdpipe.errors import DataError, KdpipeError
from kdpipe.evaluation import load_truth
from kdpipe.evaluation.agreement import check_agreement
from tests.data.small import encoded, perfect, picture, prepared, small_set

POSE = "0 0.5 0.5 0.2 0.2 0.1 0.1 2 0.9 0.9 1\n1 0.2 0.2 0.2 0.2 0.3 0.3 2 0.4 0.4 0\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def label(text: str, split: str = "val") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for path in (folder / "labels" / split).iterdir():
            path.write_bytes(text.encode())

    return change


def boxes(out: Path) -> list[list[float]]:
    """Boxes of the first val image, as x, y, width, height, in shares of the image."""
    coco = load_truth(out, "val").coco
    found = [one["bbox"] for one in coco.load_anns(coco.get_ann_ids()) if one["image_id"] == 1]
    return [[(x + w / 2) / 64, (y + h / 2) / 48, w / 64, h / 48] for x, y, w, h in found]


def test_labels_with_keypoints_are_boxes_for_detect(tmp_path: Path) -> None:
    """Five columns and n times d more: Ultralytics takes the box and skips the keypoints."""
    source = small_set(tmp_path / "mine", label(POSE), kpt_shape=[2, 3], flip_idx=[1, 0])
    manifest = prepared(source, tmp_path / "out")
    assert manifest.task == "detect"
    assert boxes(tmp_path / "out") == [
        pytest.approx([0.5, 0.5, 0.2, 0.2]),
        pytest.approx([0.2, 0.2, 0.2, 0.2]),
    ]
    assert perfect(tmp_path / "out", "val", tmp_path)["coco/AP"] == pytest.approx(1)


def test_keypoints_that_mirror_into_others_are_other_data(tmp_path: Path) -> None:
    """Trainings are augmented by `flip_idx`, so none may go on from those of another one."""

    def change(folder: Path) -> None:
        label(POSE, "train")(folder)
        label(POSE)(folder)

    digests = set()
    for number, flipped in enumerate(([0, 1], [1, 0])):
        source = small_set(tmp_path / f"mine{number}", change, kpt_shape=[2, 3], flip_idx=flipped)
        digests.add(prepared(source, tmp_path / f"out{number}", "pose").digest)
    assert len(digests) == 2


def test_outlines_are_outlines_whatever_the_shape_of_keypoints(tmp_path: Path) -> None:
    """With `kpt_shape: [2, 2]`, Ultralytics would take outlines of four points for boxes with keypoints."""
    outline = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n"

    def change(folder: Path) -> None:
        label(outline, "train")(folder)
        label(outline)(folder)

    source = small_set(tmp_path / "mine", change, kpt_shape=[2, 2], names=["cat"])
    prepared(source, tmp_path / "out", "segment")
    assert boxes(tmp_path / "out") == [pytest.approx([0.3, 0.3, 0.4, 0.4])]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0 0.5 0.5 0.4 0.4\r\n\r\n 1\t0.2 0.2 0.2 0.2  \r\n", 2),
        ("﻿0 0.5 0.5 0.4 0.4\n", 1),
        ("0 0.5 0.5 0.4 0.4\n0.0 5e-1 .5 0.40 4e-1", 1),
        ("0 0.5 0.5 0.4 0.4\n0 0.500000001 0.5 0.4 0.4\n", 1),
        ("0 0.1 0.1 0.9 0.1 0.9 0.9\n0 0.1 0.1 0.9 0.9 0.1 0.9\n", 2),
        ("0 0.1 0.1 0.9 0.1 0.9 0.9\n0 0.1 0.1 0.9 0.1 0.9 0.9\n", 1),
        ("0 0.995 0.5 0.02 1.0\n1 0 0 0.2 0.2\n1 -0.01 1.01 0.2 0.2\n", 3),
    ],
)
def test_labels_are_read_as_ultralytics_reads_them(text: str, count: int, tmp_path: Path) -> None:
    manifest = prepared(small_set(tmp_path / "mine", label(text)), tmp_path / "out")
    assert manifest.splits["val"].objects == 3 * count
    assert len(load_truth(tmp_path / "out", "val").coco.get_ann_ids()) == 3 * count


def test_a_visibility_below_0_is_refused(tmp_path: Path) -> None:
    """Ultralytics would exclude the image."""
    source = small_set(tmp_path / "mine", label(POSE.replace(" 2 ", " -1 ")), kpt_shape=[2, 3])
    label(POSE, "train")(source)
    with pytest.raises(DataError, match="a visibility below 0; write 0"):
        prepared(source, tmp_path / "out", "pose")


@pytest.mark.parametrize(("values", "text"), [(3, POSE), (2, "0 0.5 0.5 0.2 0.2 0.1 0.1 -0.005 0.9\n")])
def test_keypoints_are_read_as_ultralytics_reads_them(values: int, text: str, tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        label(text, "train")(folder)
        label(text)(folder)

    source = small_set(tmp_path / "mine", change, kpt_shape=[2, values])
    assert prepared(source, tmp_path / "out", "pose").kpt_shape == [2, values]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("flip_idx", [9, 9], r"flip_idx: \[9, 9\]: name each keypoint from 0 to 1 once"),
        ("flip_idx", [0], r"flip_idx: \[0\]: name each keypoint"),
        ("flip_idx", 5, "flip_idx: 5: name each keypoint"),
        ("flip_idx", ["0", "1"], "flip_idx: .* name each keypoint"),
        ("kpt_oks_sigmas", [0.1], r"kpt_oks_sigmas: \[0.1\]: write 2 numbers above 0"),
        ("kpt_oks_sigmas", [0.1, 0], r"kpt_oks_sigmas: \[0.1, 0\]: write 2 numbers above 0"),
    ],
)
def test_keys_of_keypoints_that_cannot_be_used_are_refused(
    key: str, value: object, message: str, tmp_path: Path
) -> None:
    source = small_set(tmp_path / "mine", label(POSE), kpt_shape=[2, 3], **{key: value})
    with pytest.raises(DataError, match=message):
        prepared(source, tmp_path / "out", "pose")


def crowd(count: int) -> str:
    """So many cats of 4 x 3 pixels, each apart from the others."""
    places = [(1 / 32 + column / 16, 1 / 32 + row / 16) for row in range(16) for column in range(16)]
    return "".join(f"0 {x} {y} 0.0625 0.0625\n" for x, y in places[:count])


def test_all_predictions_count_where_there_are_more_than_100_objects(tmp_path: Path) -> None:
    source = small_set(tmp_path / "mine", label(crowd(150)))
    warnings = prepared(source, tmp_path / "out").warnings
    assert (
        "val: 3 images have more than 100 objects of a class (up to 150). COCO's AP counts 100 predictions "
        "of a class in an image; on this split it counts all that validate.max_det keeps"
    ) in warnings
    metrics = perfect(tmp_path / "out", "val", tmp_path)
    assert {name: metrics[name] for name in ("coco/AP", "coco/AP50", "coco/APs", "coco/class/cat")} == {
        "coco/AP": 1,
        "coco/AP50": 1,
        "coco/APs": 1,
        "coco/class/cat": 1,
    }


def test_up_to_100_objects_are_nothing_to_say(tmp_path: Path) -> None:
    warnings = prepared(small_set(tmp_path / "mine", label(crowd(100))), tmp_path / "out").warnings
    assert warnings == ["val: classes without an object: dog"]


def spoil_image(out: Path) -> None:
    (out / "images/val/0.png").write_bytes(encoded(picture(0), "GIF"))


def spoil_label(out: Path) -> None:
    (out / "labels/val/0.txt").write_text("0 0.5 0.5 0.4 0.4\n0 0.1 0.1 0.9 0.1 0.9 0.9\n")


def lose_image(out: Path) -> None:
    (out / "images/val/0.png").unlink()


def cut_jpeg(out: Path) -> None:
    (out / "images/val/0.png").write_bytes(encoded(picture(0), "JPEG") + b"more")


def rename_classes(out: Path) -> None:
    yaml = out / "data.yaml"
    yaml.write_text(yaml.read_text().replace("cat", "cow"))


def more_channels(out: Path) -> None:
    yaml = out / "data.yaml"
    yaml.write_text(yaml.read_text() + "channels: 4\n")


def annotate(out: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.png", "width": 48, "height": 64} for n in range(3)]
    (out / "annotations").mkdir()
    (out / "annotations/val.json").write_text(json.dumps({"images": images}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_image, "images that Ultralytics excludes: 1\n    val/0.png"),
        (spoil_label, "images that Ultralytics excludes: 1\n    val/0.png"),
        (lose_image, "counts in the manifest: 1\n    val/3 images and 6 objects"),
        (cut_jpeg, "images that Ultralytics rewrites: 1\n    "),
        (rename_classes, "class names: 2\n    ['cow', 'dog'] for ['cat', 'dog']"),
        (more_channels, "0.png: has 3 channels, but the data yaml has channels: 4"),
        (annotate, "sizes of images in COCO's annotations: 3\n    val/0.png: [(48, 64)] for (64, 48)"),
    ],
)
def test_every_difference_is_an_error_that_names_files(
    spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    prepared(small_set(tmp_path / "mine"), tmp_path / "out")
    spoil(tmp_path / "out")
    with pytest.raises(DataError) as error:
        check_agreement(tmp_path / "out")
    assert message in str(error.value)
    assert "Ultralytics reads files otherwise than kdpipe" in str(error.value)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Ultralytics' list of labels would be a file of the data set, with paths of this machine."""
    prepared(small_set(tmp_path / "mine"), tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.cache"))


def test_validation_counts_its_images(teacher_weights: Path, tmp_path: Path) -> None:
    from kdpipe.params.schema import Validate
    from kdpipe.yolo.validation import opened, validate

    prepared(small_set(tmp_path / "mine"), tmp_path / "out")
    count = load_manifest(tmp_path / "out").splits["val"].images
    shutil.copy(tmp_path / "out/images/val/0.png", tmp_path / "out/images/val/9.png")
    with pytest.raises(KdpipeError, match="Ultralytics reads 4 images for val, but 3 were prepared"):
        validate(
            opened(teacher_weights),
            tmp_path / "out/data.yaml",
            "val",
            "e2e",
            Validate(batch=4),
            images=count,
            imgsz=64,
            device="cpu",
            log=tmp_path / "validate.log",
        )
