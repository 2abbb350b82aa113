"""COCO's files as other tools write them, made by hand: a dozen images, odd ids, one crowd."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

Entry = dict[str, Any]
CATEGORIES = (3, 18, 90)
IMAGES = tuple(9_007_199_254_740_993 + 7 * number for number in (5, 0, 3, 1, 2, 4, 6, 11, 10, 9, 8, 7))
SIDE, OBJECT = 200, 40  # pixels
CORNERS = ((10, 10), (100, 10), (10, 100))  # of the objects of each image
POINTS = ((4, 4), (36, 8), (20, 36))  # of each object, from its corner
JOINTS = 17
SEEDS = 3


def annotations(task: str = "detect", *, crowd: bool = True) -> Entry:
    """Three objects in each of eleven images, one per class, nothing in the twelfth, and a crowd."""
    objects = [
        {"image_id": image, "category_id": category, "bbox": [*corner, OBJECT, OBJECT - 5 * (category == 3)]}
        for image in IMAGES[:-1]
        for category, corner in zip(CATEGORIES, CORNERS, strict=True)
    ]
    if crowd:
        objects.append(objects[0] | {"bbox": [110, 110, 80, 80], "iscrowd": 1})
    return {
        "info": {},
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": SIDE, "height": SIDE} for i in IMAGES],
        "categories": [{"id": i, "name": f"class {i}"} for i in reversed(CATEGORIES)],
        "annotations": [
            {
                "id": number,
                "iscrowd": 0,
                "area": one["bbox"][2] * one["bbox"][3] * 0.8,
                **one,
                **own(task, one),
            }
            for number, one in enumerate(objects, start=1)
        ],
    }


def own(task: str, one: Entry) -> Entry:
    left, top, width, height = one["bbox"]
    crowd = one.get("iscrowd")
    if task == "segment":
        if crowd:
            return {"segmentation": {"size": [SIDE, SIDE], "counts": [0, 120 * SIDE, 80 * SIDE]}}
        corners = [left, top, left + width, top, left + width, top + height, left, top + height]
        return {"segmentation": [[float(value) for value in corners]]}
    if task == "pose":
        points = [] if crowd else [v for x, y in POINTS for v in (left + x, top + y, 2)]
        return {"keypoints": points + [0] * (3 * JOINTS - len(points)), "num_keypoints": len(points) // 3}
    return {}


def found(
    truth: Entry, task: str = "detect", *, share: float = 1.0, noise: float = 0.0, seed: int = 0
) -> list[Entry]:
    """Results of a detector that finds a share of the objects, beside their places, and other things."""
    rng = np.random.default_rng(seed)
    labels = sorted(category["id"] for category in truth["categories"])
    results = []
    for one in truth["annotations"]:
        if rng.random() < share:
            shifts = rng.normal(0, noise, 2 + 2 * JOINTS)
            misnamed = noise and rng.random() < 0.1
            label = labels[int(rng.integers(len(labels)))] if misnamed else one["category_id"]
            common = {
                "image_id": one["image_id"],
                "category_id": label,
                "score": round(float(rng.random()), 5),
            }
            results.append(common | moved(task, one, shifts))
    return results


def moved(task: str, one: Entry, shifts: np.ndarray[Any, Any]) -> Entry:
    left, top = (one["bbox"][:2] + shifts[:2]).clip(0).round(3).tolist()
    width, height = one["bbox"][2:]
    if task == "detect":
        return {"bbox": [left, top, width, height]}
    if task == "segment":
        corners = [left, top, left + width, top, left + width, top + height, left, top + height]
        (mask,) = rle.frPyObjects([corners], SIDE, SIDE)
        return {"segmentation": {"size": mask["size"], "counts": mask["counts"].decode()}}
    points = np.reshape(one["keypoints"], (JOINTS, 3)).astype(float)
    points[:, :2] += shifts[2:].reshape(JOINTS, 2)
    return {"keypoints": points.flatten().tolist()}


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def write_arms(
    folder: Path, task: str = "detect", shares: Sequence[float] = (0.5, 0.9)
) -> Mapping[str, list[Path]]:
    """truth.json, and baseline-0.json, distilled-0.json and so on, of models that find these shares."""
    truth = annotations(task)
    written(folder, "truth.json", truth)
    return {
        arm: [
            written(folder, f"{arm}-{seed}.json", found(truth, task, share=share, noise=1.0, seed=seed))
            for seed in range(SEEDS)
        ]
        for arm, share in zip(("baseline", "distilled"), shares, strict=True)
    }
