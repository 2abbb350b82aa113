"""What it takes to import a large COCO json: seconds of CPU and peak memory.

    python benchmarks/import_coco.py [IMAGES]

Of 100,000 images by default, with eight boxes each. The images are tiny, and hard links of a few.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from kdpipe.data.importing import import_data

IMAGES, BOXES, CLASSES, SIDE = 100_000, 8, 80, 64
KINDS = 200  # different images; most file systems allow 1,000 links or more to each
MEBIBYTE = 2**20


def build(folder: Path, images: int) -> Path:
    """Write the images and the json."""
    (folder / "images").mkdir(parents=True)
    (folder / "kinds").mkdir()
    pixels = np.random.default_rng(0)
    kinds = [folder / f"kinds/{number}.jpg" for number in range(KINDS)]
    for path in kinds:
        cv2.imwrite(str(path), pixels.integers(0, 255, (SIDE, SIDE, 3), np.uint8))
    for number in range(images):
        os.link(kinds[number % KINDS], folder / f"images/{number:012d}.jpg")
    draw = random.Random(0)  # noqa: S311
    content = {
        "images": [
            {"id": n, "file_name": f"{n:012d}.jpg", "width": SIDE, "height": SIDE, "license": 1}
            for n in range(images)
        ],
        "categories": [{"id": n + 1, "name": f"class {n}"} for n in range(CLASSES)],
        "annotations": [_annotation(number, draw) for number in range(BOXES * images)],
    }
    source = folder / "instances.json"
    with source.open("w", encoding="utf-8") as file:
        json.dump(content, file)
    return source


def _annotation(number: int, draw: random.Random) -> dict[str, object]:
    left, top = draw.uniform(0, SIDE / 2), draw.uniform(0, SIDE / 2)
    width, height = draw.uniform(4, SIDE / 2), draw.uniform(4, SIDE / 2)
    corners = (left, top, left + width, top, left + width, top + height, left, top + height)
    return {
        "id": number,
        "image_id": number // BOXES,
        "category_id": 1 + draw.randrange(CLASSES),
        "bbox": [round(value, 2) for value in (left, top, width, height)],
        "segmentation": [[round(value, 2) for value in corners]],
        "area": round(width * height, 2),
        "iscrowd": 0,
    }


def main() -> None:
    """Build in a process of its own, so that its memory is not counted, import, and print."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if child := os.fork():
            os.waitpid(child, 0)
        else:
            build(folder / "theirs", images)
            os._exit(0)
        before, began = time.process_time(), time.perf_counter()
        done = import_data(
            folder / "theirs/instances.json", folder / "out", "detect", images=None, groups=None, seed=0
        )
        cpu, wall = time.process_time() - before, time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE
        objects = sum(counts.total() for counts in done.objects.values())
        print(f"{sum(done.images.values())} images, {objects} boxes, instances.json of", end=" ")
        print(f"{(folder / 'theirs/instances.json').stat().st_size / MEBIBYTE:.0f} MiB")
        print(f"{cpu:.1f} s of CPU, {wall:.1f} s, {peak:.0f} MiB at most")


if __name__ == "__main__":
    main()
