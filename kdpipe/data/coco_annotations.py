"""COCO's own annotation files, where they lie beside the images.

They know what labels in Ultralytics' layout do not: crowds, which are neither right nor wrong to find,
and the areas of the objects' outlines. Published AP is measured against them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FOLDER = "annotations"
FILES = {"detect": "instances", "segment": "instances", "pose": "person_keypoints"}


def find(root: Path, entry: object, task: str) -> Path | None:
    """The annotations of a split, whose entry in the data yaml is a list or a folder named as in COCO:
    `annotations/instances_val2017.json` for `val2017.txt`, or for keypoints `person_keypoints_...`.
    """
    if not isinstance(entry, str) or task not in FILES:
        return None
    path = root / FOLDER / f"{FILES[task]}_{Path(entry).stem}.json"
    return path if path.is_file() else None


def carry(path: Path, names: Mapping[int, str], images: Mapping[str, str], out: Path) -> str | None:
    """Write what an annotation file says of these images to `out`, with class ids counted from 1.

    Args:
        path: The annotation file.
        names: Class names by id in the data yaml.
        images: The names that the images have in `out`, by their names in the annotation file.
        out: Where to write.

    Returns:
        Why that is not possible, or None.
    """
    content = json.loads(path.read_text())
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
    out.write_text(json.dumps(carried))
    return None
