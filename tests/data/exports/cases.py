"""What is read of which tool, and what is refused: the tests try it, and docs/own-data.md lists it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.data.exports import coco_and_yolo as yolo
from tests.data.exports import others
from tests.data.exports import xml_tools as xml
from tests.data.exports.truth import NAMES, SPLITS

BY_ALPHABET = sorted(NAMES)
GIVEN = {split: len(stems) for split, stems in SPLITS.items()}
TRAIN_AND_VAL = {split: GIVEN[split] for split in ("train", "val")}
SPLIT_OFF = {"train": 4, "val": 2}
Write = Callable[[Path], Path]


@dataclass(frozen=True)
class Case:
    """An export that is read.

    Attributes:
        tool: The tool or format.
        layout: Where its files are.
        write: Writes it into a folder, and returns what the user gives.
        splits: Number of images of each split that comes out.
        names: Class names in their order.
        task: Task of the labels.
        told: What the messages say, beside a val that was split off.
    """

    tool: str
    layout: str
    write: Write
    splits: Mapping[str, int] = field(default_factory=lambda: SPLIT_OFF)
    names: list[str] = field(default_factory=lambda: NAMES)
    task: str = "detect"
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """An export that is not read: its tool, what it is, and the message."""

    tool: str
    what: str
    write: Write
    message: str


ROBOFLOW_COCO = "`train/_annotations.coco.json`, `valid/`, `test/`"
IN_CVAT_COCO = "`annotations/instances_default.json`, `images/`"
PLACEHOLDER = "class 0, pets, is left out, as in Roboflow's YOLO export"
SIMILAR = "images found under a similar name: 6 ("
ONE_JSON = "one json, images beside it or in `images/`"
LISTED = "`obj.data`, `obj.names`, `train.txt`, `obj_train_data/`"
IN_VIA, IN_DOTA = "`via_region_data.json`, images beside it", "`train/labelTxt/`, `train/images/`, `val/`"
PER_SPLIT = "xml files and images in `train/`, `valid/`, `test/`"
CSV_PER_SPLIT = "`train/_annotations.csv`, `valid/`, `test/`"
READ = [
    Case("COCO json", ONE_JSON, yolo.coco_outlines),
    Case("COCO json", ONE_JSON, yolo.coco_outlines, task="segment"),
    Case("COCO json", ONE_JSON, yolo.coco_keypoints, task="pose"),
    Case("Roboflow COCO", ROBOFLOW_COCO, yolo.roboflow_coco, GIVEN, told=(PLACEHOLDER,)),
    Case("CVAT COCO 1.0", IN_CVAT_COCO, yolo.cvat_coco_flat),
    Case("CVAT COCO 1.0", "the same with `images/default/`", yolo.cvat_coco),
    Case("CVAT COCO 1.0", "`instances_Train.json`, ..., `images/Train/`", yolo.cvat_coco_subsets, GIVEN),
    Case("Label Studio COCO", "`result.json`, `images/`", yolo.label_studio_coco),
    Case(
        "Label Studio COCO",
        "`result.json` with paths on the server, your own images",
        yolo.label_studio_coco_own_images,
        told=(SIMILAR,),
    ),
    Case("FiftyOne COCO", "`labels.json`, `data/`", yolo.fiftyone_coco),
    Case("FiftyOneImageDetectionDataset", "`labels.json`, `data/`", yolo.fiftyone),
    Case("CVAT YOLO 1.1 (Darknet)", LISTED, yolo.cvat_yolo),
    Case("CVAT YOLO 1.1 (Darknet)", "the same with `valid.txt`", yolo.cvat_yolo_subsets, TRAIN_AND_VAL),
    Case("CVAT Ultralytics YOLO", "`data.yaml` without val, `train.txt`", yolo.cvat_ultralytics),
    Case("CVAT Ultralytics YOLO", "that `data.yaml`", yolo.cvat_ultralytics_file),
    Case("Label Studio YOLO", "`classes.txt`, `notes.json`, `images/`, `labels/`", yolo.label_studio_yolo),
    Case("Label Studio YOLO", "the same with your own images", yolo.label_studio_yolo_own_images),
    Case("Pascal VOC", "`Annotations/`, `JPEGImages/`", xml.voc, names=BY_ALPHABET),
    Case(
        "Pascal VOC",
        "xml files and images in `train/`, `valid/`, `test/`",
        xml.roboflow_voc,
        GIVEN,
        BY_ALPHABET,
    ),
    Case("CVAT for images", "`annotations.xml`, `images/`", xml.cvat),
    Case("CVAT for images", "`annotations.xml`, `images/`", xml.cvat_polygons, task="segment"),
    Case("CVAT for images", "`annotations.xml`, `images/`", xml.cvat_turned, task="obb"),
    Case("labelme", "a json beside each image", others.labelme, names=BY_ALPHABET),
    Case("labelme", "a json beside each image", others.labelme_polygons, names=BY_ALPHABET, task="segment"),
    Case("VIA", IN_VIA, others.via, names=BY_ALPHABET),
    Case(
        "VIA",
        IN_VIA,
        others.via_polygons,
        names=BY_ALPHABET,
        task="segment",
    ),
    Case("VIA", "the json of a project", others.via_project),
    Case("TensorFlow csv", "`labels.csv`, `images/`", others.csv, names=BY_ALPHABET),
    Case(
        "TensorFlow csv",
        "`train/_annotations.csv`, `valid/`, `test/`",
        others.roboflow_csv,
        GIVEN,
        BY_ALPHABET,
    ),
    Case(
        "KITTI",
        "`training/label_2/`, `training/image_2/`",
        others.kitti,
        names=BY_ALPHABET,
        told=("testing has no annotations", "6 regions of KITTI's DontCare"),
    ),
    Case(
        "Open Images",
        "`train-annotations-bbox.csv`, ..., `class-descriptions-boxable.csv`, `train/`, ...",
        others.open_images,
        GIVEN,
    ),
    Case(
        "Open Images",
        "the same with `oidv6-train-annotations-bbox.csv`, `oidv7-class-descriptions-boxable.csv`",
        others.open_images_v7,
        GIVEN,
    ),
    Case("DOTA", IN_DOTA, others.dota, TRAIN_AND_VAL, BY_ALPHABET),
    Case("DOTA", IN_DOTA, others.dota, TRAIN_AND_VAL, BY_ALPHABET, "obb"),
]
REFUSED = [
    Refusal("COCO panoptic", "objects are in PNG files", yolo.coco_panoptic, "objects are in PNG files"),
    Refusal("CVAT for video", "names no images", xml.cvat_video, 'export "CVAT for images" (CVAT xml)'),
    Refusal("Label Studio json", "export COCO or YOLO instead", others.label_studio_tasks, "as COCO or YOLO"),
    Refusal("VIA csv", "export json instead", others.via_csv, "export the annotations as json (VIA csv)"),
]
