"""A small data set of the user, to be spoilt by tests, and predictions that find all of it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from omegaconf import OmegaConf
from PIL import Image
from pycocotools import mask as rle

from kdpipe.data.manifest import Manifest
from kdpipe.data.prepare import prepare
from kdpipe.evaluation import evaluate, load_predictions, load_truth, save_predictions
from kdpipe.evaluation.agreement import check_agreement
from kdpipe.params.schema import Data, Digits
from kdpipe.yolo.reading import ReadImage, read_split

WIDTH, HEIGHT = 64, 48
LABEL = "0 0.5 0.5 0.4 0.4\n1 0.2 0.2 0.2 0.2\n"
Change = Callable[[Path], object]


def _reads_as_of(version: tuple[int, ...]) -> bool:
    """Whether Ultralytics reads labels and images as of this version of its label cache, or later."""
    spec = find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "data/dataset.py").read_text()
    found = re.search(r'DATASET_CACHE_VERSION = "([\d.]+)"', text)
    return found is not None and tuple(map(int, found[1].split("."))) >= version


# Before, sizes of turned images were those of a JPEG only, and labels had no byte-order mark.
newer_ultralytics = pytest.mark.skipif(
    not _reads_as_of((1, 0, 12)),
    reason="reads odd files in another way, which prepare refuses",
)


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@cache
def huge() -> bytes:
    """A PNG of 14000 x 13000 gray pixels, of a megabyte."""
    packed = zlib.compressobj(1)
    rows = b"".join(packed.compress(bytes(14001)) for _ in range(13000)) + packed.flush()
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 14000, 13000, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    found = b"\x89PNG\r\n\x1a\n"
    for kind, content in parts:
        checksum = zlib.crc32(kind + content)
        found += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    return found


def turned(seed: int, kind: str, orientation: int) -> bytes:
    """An image file with an orientation tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(seed), kind, exif=exif)


def small_set(folder: Path, change: Change = bool, **yaml: object) -> Path:
    """Three images of 64 x 48 pixels in train and in val, with a cat and a dog each, spoilt by a change."""
    for number, split in enumerate(("train", "val")):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for index in range(3):
            picture(10 * number + index).save(folder / f"images/{split}/{index}.png")
            (folder / f"labels/{split}/{index}.txt").write_text(LABEL)
    content = {"train": "images/train", "val": "images/val", "names": {0: "cat", 1: "dog"}, **yaml}
    OmegaConf.save(OmegaConf.create(content), folder / "data.yaml")
    change(folder)
    return folder


def prepared(source: Path, out: Path, task: str = "detect") -> Manifest:
    """Prepare a data set, and compare it with what Ultralytics reads."""
    manifest = prepare(Data(source=str(source), task=task, digits=Digits()), out)
    check_agreement(out)
    return manifest


def perfect(out: Path, split: str, folder: Path) -> dict[str, float]:
    """The metrics of predictions that are what Ultralytics reads."""
    truth = load_truth(out, split)
    read = read_split(out / "data.yaml", split, truth.task, folder / "read.log")
    entries = [entry for image in read.images for entry in predictions(image, truth.task)]
    save_predictions(entries, truth.task, folder / "perfect.parquet")
    return evaluate(truth, load_predictions(folder / "perfect.parquet"), resamples=2, seed=0)[0]


def predictions(image: ReadImage, task: str) -> Iterator[dict[str, object]]:
    """Predictions in Ultralytics' JSON format, in pixels of the original image."""
    width, height = image.sizes["decoded"]
    for values in image.objects:
        x, y, w, h = values[1:5] * (width, height, width, height)
        common = {"file_name": image.name, "category_id": int(values[0]) + 1, "score": 0.9}
        yield common | {"bbox": [x - w / 2, y - h / 2, w, h]} | OWN[task](values[5:], (width, height))


def _mask(points: NDArray[np.float64], size: tuple[int, int]) -> dict[str, object]:
    (counts,) = rle.frPyObjects([(points.reshape(-1, 2) * size).flatten().tolist()], size[1], size[0])
    return {"segmentation": {"size": [size[1], size[0]], "counts": counts["counts"].decode()}}


def _keypoints(points: NDArray[np.float64], size: tuple[int, int]) -> dict[str, object]:
    return {"keypoints": (points.reshape(-1, 3) * (*size, 1)).flatten().tolist()}


def _rotated(points: NDArray[np.float64], size: tuple[int, int]) -> dict[str, object]:
    (x, y), (width, height), degrees = cv2.minAreaRect((points.reshape(-1, 2) * size).astype(np.float32))
    return {"rbox": [x, y, width, height, float(np.radians(degrees))]}


OWN: dict[str, Callable[[NDArray[np.float64], tuple[int, int]], dict[str, object]]] = {
    "detect": lambda *_: {},
    "segment": _mask,
    "pose": _keypoints,
    "obb": _rotated,
}
