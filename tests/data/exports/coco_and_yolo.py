"""COCO and YOLO as Roboflow, CVAT, Label Studio and FiftyOne export them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.exports.truth import (
    HEIGHT,
    NAMES,
    SPLITS,
    STEMS,
    WIDTH,
    Coco,
    boxes,
    picture,
    written,
    yolo_lines,
)

ROBOFLOW_SPLITS = {"train": "train", "val": "valid", "test": "test"}
UPLOADED = "3f2a1b4c-{}.jpg"  # Label Studio sets eight hex digits before the name of an uploaded file


def roboflow_name(stem: str) -> str:
    return f"{stem}_jpg.rf.{stem.encode().hex():0<32.32}.jpg"


def roboflow_coco(folder: Path) -> Path:
    style = Coco(
        first=0,
        file_name=roboflow_name,
        of_image={"license": 1, "date_captured": "2024-05-01T10:00:00+00:00", "extra": {"name": "photo.jpg"}},
        of_category={"supercategory": "pets"},
        placeholder=[{"id": 0, "name": "pets", "supercategory": "none"}],
        info={"year": "2024", "version": "1", "contributor": "", "url": "https://public.roboflow.com"},
    )
    for split, name in ROBOFLOW_SPLITS.items():
        for stem in SPLITS[split]:
            picture(folder / name / roboflow_name(stem))
        written(folder / name / "_annotations.coco.json", style.text(SPLITS[split]))
    written(folder / "README.dataset.txt", "# pets > 2024-05-01\nhttps://universe.roboflow.com\n")
    written(folder / "README.roboflow.txt", "\npets - v1\n==============\n\nThe dataset includes 6 images.\n")
    return folder


def cvat_coco(folder: Path) -> Path:
    style = Coco(
        of_image={"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0},
        of_object={"attributes": {"occluded": False, "rotation": 0.0}},
        of_category={"supercategory": ""},
        info={"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
    )
    for stem in STEMS:
        picture(folder / f"images/default/{stem}.jpg")
    written(folder / "annotations/instances_default.json", style.text(STEMS))
    return folder


def cvat_coco_flat(folder: Path) -> Path:
    cvat_coco(folder)
    for path in (folder / "images/default").iterdir():
        path.rename(folder / "images" / path.name)
    (folder / "images/default").rmdir()
    return folder


def cvat_coco_subsets(folder: Path) -> Path:
    for split, subset in {"train": "Train", "val": "Validation", "test": "Test"}.items():
        for stem in SPLITS[split]:
            picture(folder / f"images/{subset}/{stem}.jpg")
        written(folder / f"annotations/instances_{subset}.json", Coco().text(SPLITS[split]))
    return folder


def cvat_yolo(folder: Path) -> Path:
    """CVAT's YOLO 1.1, which is Darknet's layout."""
    data = "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    written(folder / "obj.data", data)
    written(folder / "obj.names", "\n".join(NAMES) + "\n")
    written(folder / "train.txt", "".join(f"data/obj_train_data/{stem}.jpg\n" for stem in STEMS))
    for stem in STEMS:
        picture(folder / f"obj_train_data/{stem}.jpg")
        written(folder / f"obj_train_data/{stem}.txt", yolo_lines(stem))
    return folder


def cvat_yolo_subsets(folder: Path) -> Path:
    data = "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
    written(folder / "obj.data", data)
    written(folder / "obj.names", "\n".join(NAMES) + "\n")
    for split, name in {"train": "train", "val": "valid"}.items():
        lines = "".join(f"data/obj_{name}_data/{stem}.jpg\n" for stem in SPLITS[split])
        written(folder / f"{name}.txt", lines)
        for stem in SPLITS[split]:
            picture(folder / f"obj_{name}_data/{stem}.jpg")
            written(folder / f"obj_{name}_data/{stem}.txt", yolo_lines(stem))
    return folder


def cvat_ultralytics(folder: Path) -> Path:
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES))
    written(folder / "data.yaml", f"names:\n{names}path: .\ntrain: train.txt\n")
    written(folder / "train.txt", "".join(f"data/images/train/{stem}.jpg\n" for stem in STEMS))
    for stem in STEMS:
        picture(folder / f"images/train/{stem}.jpg")
        written(folder / f"labels/train/{stem}.txt", yolo_lines(stem))
    return folder


def cvat_ultralytics_file(folder: Path) -> Path:
    cvat_ultralytics(folder)
    written(folder / "train.txt", "".join(f"images/train/{stem}.jpg\n" for stem in STEMS))
    return folder / "data.yaml"


def label_studio_yolo(folder: Path) -> Path:
    for stem in STEMS:
        picture(folder / "images" / UPLOADED.format(stem))
        written((folder / "labels" / UPLOADED.format(stem)).with_suffix(".txt"), yolo_lines(stem))
    written(folder / "classes.txt", "\n".join(NAMES))
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES)]
    info = {"year": 2024, "version": "1.0", "contributor": "Label Studio"}
    written(folder / "notes.json", json.dumps({"categories": categories, "info": info}, indent=2))
    return folder


def label_studio_yolo_own_images(folder: Path) -> Path:
    """Without the images, as an export of large data is: the user adds those that were uploaded."""
    label_studio_yolo(folder)
    for path in (folder / "images").iterdir():
        path.rename(path.with_name(path.name.split("-")[1]))
    return folder


def label_studio_coco(folder: Path) -> Path:
    style = Coco(
        first=0,
        file_name=lambda stem: f"images\\{UPLOADED.format(stem)}",
        of_object={"ignore": 0},
        info={"year": 2024, "version": "1.0", "description": "", "contributor": "Label Studio", "url": ""},
    )
    for stem in STEMS:
        picture(folder / "images" / UPLOADED.format(stem))
    written(folder / "result.json", style.text(STEMS))
    return folder


def coco_outlines(folder: Path) -> Path:
    for stem in STEMS:
        picture(folder / f"{stem}.jpg")
    return written(folder / "instances.json", Coco(outlines=True).text(STEMS))


def coco_keypoints(folder: Path) -> Path:
    nose = {"keypoints": [10, 12, 2], "num_keypoints": 1}
    style = Coco(of_object=nose, of_category={"keypoints": ["nose"], "skeleton": []})
    for stem in STEMS:
        picture(folder / f"images/{stem}.jpg")
    return written(folder / "person_keypoints.json", style.text(STEMS))


def label_studio_coco_own_images(folder: Path) -> Path:
    """The path on the server, and images as they were before the upload."""
    server = "../../label-studio/data/media/upload/1/" + UPLOADED
    for stem in STEMS:
        picture(folder / f"images/{stem}.jpg")
    written(folder / "result.json", Coco(first=0, file_name=server.format).text(STEMS))
    return folder


def fiftyone(folder: Path) -> Path:
    labels = {
        stem: [
            {
                "label": NAMES.index(name),
                "bounding_box": [left / WIDTH, top / HEIGHT, (right - left) / WIDTH, (bottom - top) / HEIGHT],
            }
            for name, left, top, right, bottom in boxes(stem)
        ]
        for stem in STEMS
    }
    for stem in STEMS:
        picture(folder / f"data/{stem}.jpg")
    written(folder / "labels.json", json.dumps({"classes": NAMES, "labels": labels}))
    return folder


def fiftyone_coco(folder: Path) -> Path:
    for stem in STEMS:
        picture(folder / f"data/{stem}.jpg")
    written(folder / "labels.json", Coco(of_image={"license": None, "coco_url": None}).text(STEMS))
    return folder


def coco_panoptic(folder: Path) -> Path:
    segments = [{"id": 5, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}]
    content = {
        "images": [{"id": 1, "file_name": "photo0.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "file_name": "photo0.png", "segments_info": segments}],
        "categories": [{"id": 1, "name": "dog", "isthing": 1}],
    }
    picture(folder / "photo0.jpg")
    return written(folder / "panoptic_train2017.json", json.dumps(content))
