"""labelme, VIA, csv, KITTI, Open Images and DOTA, as their tools write them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.exports.truth import HEIGHT, NAMES, SPLITS, STEMS, WIDTH, boxes, corners, picture, written

BESIDE_BOX = "1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"  # of KITTI's third dimension


def labelme(folder: Path, *, polygons: bool = False) -> Path:
    for stem in STEMS:
        picture(folder / f"{stem}.jpg")
        shapes = []
        for box in boxes(stem):
            name, left, top, right, bottom = box
            points = [[right, bottom], [left, top]]  # as drawn, from any corner
            if polygons:
                points = [list(pair) for pair in corners(box)]
            kind = "polygon" if polygons else "rectangle"
            more = {"group_id": None, "description": "", "shape_type": kind, "flags": {}, "mask": None}
            shapes.append({"label": name, "points": points, **more})
        content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{stem}.jpg"}
        content |= {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        written(folder / f"{stem}.json", json.dumps(content, indent=2))
    return folder


def labelme_polygons(folder: Path) -> Path:
    return labelme(folder, polygons=True)


def via_polygons(folder: Path) -> Path:
    via(folder)
    content = via_content()
    for stem, entry in zip(STEMS, content.values(), strict=True):
        for box, region in zip(boxes(stem), entry["regions"], strict=True):
            xs, ys = zip(*corners(box), strict=True)
            region["shape_attributes"] = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
    written(folder / "via_region_data.json", json.dumps(content))
    return folder


def via_content() -> dict[str, dict[str, list[dict[str, object]]]]:
    return {
        f"{stem}.jpg12345": {
            "filename": f"{stem}.jpg",
            "size": 12345,
            "regions": [
                {
                    "shape_attributes": {
                        "name": "rect",
                        "x": left,
                        "y": top,
                        "width": right - left,
                        "height": bottom - top,
                    },
                    "region_attributes": {"class": name},
                }
                for name, left, top, right, bottom in boxes(stem)
            ],
            "file_attributes": {},
        }
        for stem in STEMS
    }


def via(folder: Path) -> Path:
    for stem in STEMS:
        picture(folder / f"{stem}.jpg")
    written(folder / "via_region_data.json", json.dumps(via_content()))
    return folder


def via_project(folder: Path) -> Path:
    via(folder)
    (folder / "via_region_data.json").unlink()
    project = {
        "_via_settings": {"project": {"name": "pets"}},
        "_via_img_metadata": via_content(),
        "_via_attributes": {
            "region": {"class": {"type": "dropdown", "options": dict.fromkeys(NAMES, "")}},
            "file": {},
        },
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(via_content()),
    }
    written(folder / "via_project_1May2024.json", json.dumps(project))
    return folder


def table(stems: list[str]) -> str:
    rows = (
        f"{stem}.jpg,{WIDTH},{HEIGHT},{name},{left:.0f},{top:.0f},{right:.0f},{bottom:.0f}\n"
        for stem in stems
        for name, left, top, right, bottom in boxes(stem)
    )
    return "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(rows)


def csv(folder: Path) -> Path:
    for stem in STEMS:
        picture(folder / f"images/{stem}.jpg")
    written(folder / "labels.csv", table(STEMS))
    return folder


def roboflow_csv(folder: Path) -> Path:
    for split, name in {"train": "train", "val": "valid", "test": "test"}.items():
        for stem in SPLITS[split]:
            picture(folder / name / f"{stem}.jpg")
        written(folder / name / "_annotations.csv", table(SPLITS[split]))
    return folder


def kitti(folder: Path) -> Path:
    """Left, top, right and bottom are the fifth to the eighth column."""
    for stem in STEMS:
        picture(folder / f"training/image_2/{stem}.png")
        lines = "".join(
            f"{name} 0.00 0 -1.58 {left:.2f} {top:.2f} {right:.2f} {bottom:.2f} {BESIDE_BOX}\n"
            for name, left, top, right, bottom in boxes(stem)
        )
        ignored = "DontCare -1 -1 -10 50.00 1.00 60.00 9.00 -1 -1 -1 -1000 -1000 -1000 -10\n"
        written(folder / f"training/label_2/{stem}.txt", lines + ignored)
    picture(folder / "testing/image_2/000001.png")
    return folder


MIDS = {"dog": "/m/0bt9lr", "cat": "/m/01yrx"}
OPEN_IMAGES = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,"
    "IsInside\n"
)


def open_images(folder: Path) -> Path:
    for split, name in {"train": "train", "val": "validation", "test": "test"}.items():
        lines = []
        for stem in SPLITS[split]:
            picture(folder / name / f"{stem}.jpg")
            lines += [
                f"{stem},xclick,{MIDS[label]},1,{left / WIDTH},{right / WIDTH},{top / HEIGHT},"
                f"{bottom / HEIGHT},0,0,0,0,0\n"
                for label, left, top, right, bottom in boxes(stem)
            ]
        written(folder / f"{name}-annotations-bbox.csv", OPEN_IMAGES + "".join(lines))
    classes = "".join(f"{MIDS[name]},{name}\n" for name in NAMES)
    written(folder / "class-descriptions-boxable.csv", classes)
    return folder


def open_images_v7(folder: Path) -> Path:
    """As it is downloaded since version 6: only train has the version, and columns of its own."""
    open_images(folder)
    clicks = [f"XClick{number}{axis}" for axis in "XY" for number in range(1, 5)]
    first, *rows = (folder / "train-annotations-bbox.csv").read_text().splitlines()
    lines = [",".join([first, *clicks]), *(row + ",0.5" * len(clicks) for row in rows)]
    written(folder / "oidv6-train-annotations-bbox.csv", "".join(f"{line}\n" for line in lines))
    (folder / "train-annotations-bbox.csv").unlink()
    classes = (folder / "class-descriptions-boxable.csv").read_text()
    written(folder / "oidv7-class-descriptions-boxable.csv", f"LabelName,DisplayName\n{classes}")
    (folder / "class-descriptions-boxable.csv").unlink()
    return folder


def dota_lines(stem: str) -> str:
    return "imagesource:GoogleEarth\ngsd:0.146\n" + "".join(
        f"{left} {top} {right} {top} {right} {bottom} {left} {bottom} {name} 0\n"
        for name, left, top, right, bottom in boxes(stem)
    )


def dota(folder: Path) -> Path:
    for split in ("train", "val"):
        for stem in SPLITS[split]:
            picture(folder / split / f"images/{stem}.png")
            written(folder / split / f"labelTxt/{stem}.txt", dota_lines(stem))
    return folder


def label_studio_tasks(folder: Path) -> Path:
    picture(folder / "photo0.jpg")
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["cat"]}
    result = [{"type": "rectanglelabels", "from_name": "label", "to_name": "image", "value": value}]
    tasks = [{"id": 1, "data": {"image": "/data/upload/1/photo0.jpg"}, "annotations": [{"result": result}]}]
    written(folder / "project-1-at-2024-05-01.json", json.dumps(tasks))
    return folder


def via_csv(folder: Path) -> Path:
    picture(folder / "photo0.jpg")
    head = (
        "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    )
    written(folder / "via_region_data.csv", f"#{head}\n")
    return folder
