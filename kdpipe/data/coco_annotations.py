"""COCO annotation files, if they are stored beside the images.

They contain what Ultralytics' label files do not: crowds, which count neither as right nor as wrong, and the
areas of the object outlines. Published AP is computed with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FOLDER = "annotations"
FILES = {"detect": "instances", "segment": "instances", "pose": "person_keypoints"}


def find(root: Path, entry: object, task: str) -> Path | None:
    """Find the annotation file of a split by COCO's naming rule.

    For `val2017.txt` it is `annotations/instances_val2017.json`, or `person_keypoints_val2017.json` for pose.

    Args:
        root: Root folder of the data set.
        entry: Value of the split in the data yaml: a list file or an image folder.
        task: Task of the labels.
    """
    if not isinstance(entry, str) or task not in FILES:
        return None
    path = root / FOLDER / f"{FILES[task]}_{Path(entry).stem}.json"
    return path if path.is_file() else None


def carry(path: Path, names: Mapping[int, str], images: Mapping[str, str], out: Path) -> str | None:
    """Copy the annotations of a split, with class ids that start at 1.

    Args:
        path: The annotation file.
        names: Class names by id in the data yaml.
        images: New file names of the images, by their names in the annotation file.
        out: Path of the copy.

    Returns:
        The reason why the annotations do not fit the split, or None if they are copied.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    categories = {category["name"]: category["id"] for category in content["categories"]}
    known = [image for image in content["images"] if image["file_name"] in images]
    unknown_names = [name for name in names.values() if name not in categories]
    if unknown_names:
        return f"{path} has no class {unknown_names[0]!r}"
    if len(known) < len(images):
        return f"{path} has {len(known)} of {len(images)} images"
    class_ids = {categories[name]: number + 1 for number, name in names.items()}
    ids = {image["id"] for image in known}
    carried = {
        "images": [{**image, "file_name": images[image["file_name"]]} for image in known],
        "categories": [{"id": number + 1, "name": name} for number, name in names.items()],
        "annotations": [
            {**annotation, "category_id": class_ids[annotation["category_id"]]}
            for annotation in content["annotations"]
            if annotation["image_id"] in ids and annotation["category_id"] in class_ids
        ],
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(carried), encoding="utf-8")
    return None
